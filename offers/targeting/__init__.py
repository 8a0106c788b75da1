"""Targeting: a criteria tree, read and checked, becomes one SQL predicate over members, and a sentence.

Pure: without models, settings or the clock. What may be spoken of is handed in as a catalogue.
"""

from offers.targeting import operators
from offers.targeting.catalogue import Attribute, Catalogue, Column, ConsentTo, Dimension, Field, ReachableOn, SavedTree
from offers.targeting.criteria import Comparison, Criteria, Group, History, Listed, Saved, Share, Window
from offers.targeting.expression import Predicate, predicate
from offers.targeting.problem import InvalidCriteria
from offers.targeting.reading import parse
from offers.targeting.wording import sentence

__all__ = [
    "Attribute",
    "Catalogue",
    "Column",
    "Comparison",
    "ConsentTo",
    "Criteria",
    "Dimension",
    "Field",
    "Group",
    "History",
    "InvalidCriteria",
    "Listed",
    "Predicate",
    "ReachableOn",
    "Saved",
    "SavedTree",
    "Share",
    "Window",
    "operators",
    "parse",
    "predicate",
    "sentence",
]
