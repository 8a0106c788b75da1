"""The data's shouted abbreviations in words that one would print on a page."""

import re

WORDS = {
    "FRZN": "frozen", "JCE": "juice", "CONC": "concentrate", "DRNKS": "drinks", "DRNK": "drink", "WTR": "water",
    "DSH": "dishes", "VEG": "vegetable", "PKLD": "pickled", "BTR": "butter", "PNT": "peanut", "SALD": "salad",
    "DRSNG": "dressing", "SNDWCH": "sandwich", "SPRD": "spreads", "REFRGRATD": "refrigerated", "FD": "food",
    "TRSH": "trash", "BG": "bags", "TISS": "tissues", "DNR": "dinner", "CLEANG": "cleaning", "BRKFST": "breakfast",
    "WHLSM": "wholesome", "MXS": "mixes", "MX": "mix", "BKD": "baked", "BN": "beans", "PWDR": "powder",
    "CRYSTL": "crystal", "SNKS": "snacks", "CKYS": "cookies", "CRKR": "crackers", "CNDY": "candy", "PKG": "packaged",
    "PKGD": "packaged", "PKL": "pickle", "SPLY": "supply", "SUPPPLIES": "supplies", "SWEETNERS": "sweeteners",
    "SHERBTS": "sherbets", "MIXS": "mixes", "FLVRD": "flavoured", "DISPOSIBLE": "disposable", "BABYFOOD": "baby food",
    "MEMORABLILIA": "memorabilia", "NDAIRY": "non-dairy", "SOD": "soda", "PROD": "produce", "WHS": "warehouse",
    "MISC": "assorted", "MISCELLANEOUS": "assorted", "GM": "general goods", "DRUG": "drugstore", "MFG": "maker",
    "CONT": "contributions", "CNTRL": "central", "ELECT": "electric", "EXP": "expenses", "MERCH": "merchandise",
    "SS": "single-serve", "DNRS": "dinners", "WT": "weight", "FRZ": "frozen", "SPECILATY": "specialty",
    "CATFD": "cat food", "DOGFD": "dog food", "PREM": "premium", "SUP": "super", "DPS": "dips", "PRPCK": "prepacked",
    "JUI": "juice", "SWE": "sweetener", "CHOC": "chocolate", "ORGNC": "organic", "VARIETY": "assorted", "W/": "with",
    "CKN": "chicken", "RTE": "ready",
}  # fmt: skip
# Kept in capitals, or begun with one.
NAMES = {
    "HBC": "beauty", "MW": "microwave", "RW": "ready", "PK": "pack", "USA": "USA", "BBQ": "BBQ", "ITALIAN": "Italian",
    "FRENCH": "French", "HISPANIC": "Hispanic", "MEXICAN": "Mexican", "CHRISTMAS": "Christmas", "EASTER": "Easter",
    "HALLOWEEN": "Halloween", "VALENTINE": "Valentine", "AMERICAN": "American", "SWISS": "Swiss", "GREEK": "Greek",
    "ASIAN": "Asian", "CHINESE": "Chinese",
}  # fmt: skip
BETTER = {
    "DRUG GM": "Drugstore", "MEAT-PCKGD": "Packaged meat", "SEAFOOD-PCKGD": "Packaged seafood",
    "MISC. DAIRY": "Dairy specialties", "FEMININE HYGIENE": "Feminine care",
    "FD WRAPS/BAGS/TRSH BG": "Wraps and bags", "FRZN MEAT/MEAT DINNERS": "Frozen dinners",
    "FRZN NOVELTIES/WTR ICE": "Ice pops", "HISPANIC": "Latin foods", "SOAP - LIQUID & BAR": "Soap",
    "PROCESSED": "Delicatessen", "ICE CREAM/MILK/SHERBTS": "Ice cream",
    "HOUSEHOLD CLEANG NEEDS": "Household cleaning", "CONVENIENT BRKFST/WHLSM SNACKS": "Breakfast bars",
    "WATER - CARBONATED/FLVRD DRINK": "Sparkling water", "SALD DRSNG/SNDWCH SPRD": "Salad dressings",
    "PNT BTR/JELLY/JAMS": "Peanut butter and jams", "PICKLE/RELISH/PKLD VEG": "Pickles and relish",
    "DRY BN/VEG/POTATO/RICE": "Rice and beans", "FACIAL TISS/DNR NAPKIN": "Tissues and napkins",
    "HAND/BODY/FACIAL PRODUCTS": "Skin care", "ORAL HYGIENE PRODUCTS": "Dental care",
    "CRACKERS/MISC BKD FD": "Crackers", "CANDY - CHECKLANE": "Candy bars", "BAG SNACKS": "Crisps and snacks",
    "DRY NOODLES/PASTA": "Pasta", "MILK BY-PRODUCTS": "Cream and sour cream", "MEAT - MISC": "Meat specialties",
    "DINNER MXS:DRY": "Dinner kits", "SEAFOOD - FROZEN": "Frozen seafood", "FRUIT - SHELF STABLE": "Canned fruit",
    "BABY HBC": "Baby care", "VEGETABLES - SHELF STABLE": "Canned vegetables", "MEAT - SHELF STABLE": "Canned meat",
    "SEAFOOD - SHELF STABLE": "Canned seafood", "CANDY - PACKAGED": "Candy", "FLUID MILK PRODUCTS": "Milk",
    "REFRGRATD DOUGH PRODUCTS": "Chilled dough", "REFRGRATD JUICES/DRNKS": "Chilled juices",
    "FRZN VEGETABLE/VEG DSH": "Frozen vegetables", "PWDR/CRYSTL DRNK MX": "Drink mixes",
    "FLORAL-FRESH CUT": "Flowers", "DIAPERS & DISPOSABLES": "Diapers", "INFANT FORMULA": "Infant formula",
    "COOKIES/CONES": "Cookies", "CONDIMENTS/SAUCES": "Sauces", "SHORTENING/OIL": "Cooking oils",
    "MOLASSES/SYRUP/PANCAKE MIXS": "Pancakes and syrup", "PAPER HOUSEWARES": "Paper plates and cups",
    "FROZEN BREAD/DOUGH": "Frozen bread", "CNTRL/STORE SUP": "Store supplies", "FILM AND CAMERA PRODUCTS": "Cameras",
    "DELI": "Deli", "NUTRITION": "Natural foods", "SALADS/DIPS": "Salads and dips",
    "FROZEN PIE/DESSERTS": "Frozen desserts", "BAKED BREAD/BUNS/ROLLS": "Bread and rolls",
}  # fmt: skip


def tidy(text: str) -> str:
    """Turn `FRZN ICE` into `Frozen ice`, `ICE - CRUSHED/CUBED` into `Ice, crushed/cubed`."""
    text = " ".join(text.split())
    if text in BETTER:
        return BETTER[text]
    text = re.sub(r"\s*[:(]\s*|\s+-+\s+|\s*-\s+|\s+-\s*", ", ", text.replace(")", "")).strip(" ,-")
    text = re.sub(r"\s*&\s*", " and ", text)
    text = re.sub(r"[A-Z][A-Z']*", lambda found: _word(found[0]), text)
    return text[:1].upper() + text[1:]


def _word(word: str) -> str:
    return NAMES.get(word) or WORDS.get(word) or word.lower()


def slug(text: str) -> str:
    """Turn `SOFT DRINKS` into `soft-drinks`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
