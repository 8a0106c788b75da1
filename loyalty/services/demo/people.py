"""Made-up people: who a household is follows from its number alone, so that every installation has the same ones."""

import hashlib
from datetime import date, timedelta


def _names(text: str) -> list[str]:
    return text.split()


FEMALE = _names(
    """
    Abigail Ada Alice Amara Amelia Anna Aria Beatrice Bianca Camila Carmen Caroline Celia Charlotte Clara Daisy Dana
    Delia Diana Edith Elena Elisa Ella Emily Emma Esther Eva Faith Fiona Flora Freya Gloria Grace Greta Hannah Hazel
    Helen Ida Imani Ines Irene Iris Isabel Ivy Jane Jasmine Joanna Josephine Julia June Karen Keiko Laila Laura Leah
    Lena Lillian Linda Lucia Lydia Mabel Maria Martha Maya Mei Mina Molly Nadia Naomi Nina Nora Olivia Paula Pearl
    Priya Rachel Rita Rosa Ruby Ruth Sadie Sarah Selma Sofia Stella Susan Tara Teresa Thea Uma Vera Violet Wanda Wendy
    Yara Yolanda Zoe
    """
)
MALE = _names(
    """
    Aaron Adam Adrian Alan Albert Alexander Amir Andre Andrew Anthony Arthur Benjamin Boris Bruno Caleb Carl Charles
    Christopher Daniel David Dennis Diego Dominic Edgar Edward Elijah Eric Ethan Felix Francis Frank Gabriel George
    Gerald Gregory Harold Hassan Henry Hugo Ian Isaac Ivan Jack Jacob James Jasper Javier Joel John Jonas Joseph Juan
    Kenji Kevin Kofi Lars Lawrence Leo Liam Louis Lucas Malik Marcus Martin Mateo Matthew Max Michael Miles Nathan
    Nicholas Noah Oliver Omar Oscar Otto Patrick Paul Peter Philip Rafael Raj Raymond Robert Roman Ronald Ryan Samuel
    Sebastian Simon Stefan Theo Thomas Tobias Victor Vincent Walter William Xavier Yusuf
    """
)
LAST = _names(
    """
    Abbott Acosta Adams Alvarez Anderson Archer Atkins Bailey Baker Banerjee Barnes Becker Bell Bennett Berg Bishop
    Blake Bowen Boyd Brandt Brooks Brown Bryant Burke Byrne Cameron Campbell Carter Castillo Chang Chapman Chavez Chen
    Clarke Cohen Cole Coleman Cooper Cruz Cunningham Dalton Daniels Davies Delgado Diaz Dixon Donovan Doyle Duncan
    Edwards Ellis Espinoza Evans Farrell Fernandez Fisher Fleming Fletcher Flores Ford Foster Fox Franklin Freeman
    Fuller Garcia Gardner Gibson Gomez Goodman Gordon Graham Grant Graves Greene Griffin Gupta Hale Hamilton Hansen
    Harper Harris Hart Hayes Henderson Hernandez Hoffman Holland Holmes Hopkins Horton Howard Hughes Hunter Hussain
    Ibrahim Ingram Jackson Jacobs Jennings Jensen Johnson Jones Jordan Joshi Kaplan Keller Kelly Kennedy Khan Kim King
    Klein Knight Kowalski Kumar Lambert Lane Larsen Lawson Lee Leonard Lewis Lin Lindgren Logan Lopez Lowe Lynch
    Maddox Mancini Marsh Martinez Mason Mendez Meyer Miller Mitchell Monroe Moore Morales Morgan Morris Murphy Murray
    Nakamura Nelson Newman Nguyen Nichols Norris Novak Obrien Okafor Olsen Ortega Osborne Owens Palmer Park Parker
    Patel Payne Pearson Perez Perry Petersen Phillips Pierce Porter Powell Price Quinn Ramirez Ramos Reed Reyes
    Reynolds Rhodes Rivera Roberts Robinson Rojas Romero Rose Ross Rossi Russell Ryan Salazar Sanchez Sanders Santos
    Sato Schmidt Schneider Schwartz Scott Sharma Shaw Silva Simmons Singh Sloan Smith Solomon Spencer Stein Stevens
    Stewart Stone Sullivan Suzuki Tanaka Taylor Thompson Torres Tran Tucker Turner Underwood Vance Vargas Vasquez
    Vaughn Vega Wagner Walker Wallace Walsh Ward Warren Watson Weber Webster Wells West Wheeler White Williams Wong
    Woods Wright Yamamoto Yang Young Zhang Zimmerman
    """
)
# Cities in the shops' zone, with an area code: 555-0100 … 555-0199 are kept for fiction in each of them.
CITIES = {
    "Akron": 330, "Albany": 518, "Ann Arbor": 734, "Asheville": 828, "Atlanta": 404, "Baltimore": 410, "Boston": 617,
    "Buffalo": 716, "Burlington": 802, "Charleston": 843, "Charlotte": 704, "Cincinnati": 513, "Cleveland": 216,
    "Columbus": 614, "Dayton": 937, "Detroit": 313, "Durham": 919, "Erie": 814, "Fort Wayne": 260, "Greensboro": 336,
    "Hartford": 860, "Indianapolis": 317, "Lexington": 859, "Louisville": 502, "Newark": 973, "Norfolk": 757,
    "Philadelphia": 215, "Pittsburgh": 412, "Portland": 207, "Providence": 401, "Richmond": 804, "Roanoke": 540,
    "Rochester": 585, "Savannah": 912, "Toledo": 419, "Worcester": 508,
}  # fmt: skip
AGES = {"19-24": (19, 24), "25-34": (25, 34), "35-44": (35, 44), "45-54": (45, 54), "55-64": (55, 64), "65+": (65, 84)}


def draw(what: str, number: int, most: int) -> int:
    """Return a number below `most` that depends on `what` and `number` alone."""
    return int.from_bytes(hashlib.blake2s(f"{what}:{number}".encode(), digest_size=6).digest()) % most


def first_name(household: int) -> tuple[str, str]:
    """Return (gender, first name)."""
    gender = ("female", "male")[draw("gender", household, 2)]
    names = FEMALE if gender == "female" else MALE
    return gender, names[draw("first name", household, len(names))]


def last_name(household: int) -> str:
    return LAST[draw("last name", household, len(LAST))]


def city_of_store(store: int) -> str:
    return list(CITIES)[draw("city", store, len(CITIES))]


def birth_date(household: int, age: str | None, today: date) -> date | None:
    """Return a day of birth within the age that the data tells; None where it tells none."""
    if age not in AGES:
        return None
    youngest, oldest = AGES[age]
    years = youngest + draw("age", household, oldest - youngest + 1)
    # 28: a day that every month of every year has.
    anniversary = today.replace(year=today.year - years, day=min(today.day, 28))
    return anniversary - timedelta(days=draw("birthday", household, 365))


def phone(place: int) -> str:
    """Return the number of the household at `place` in the list of all: an area code's 555-0100, 555-0101, …"""
    areas = list(CITIES.values())
    return f"+1{areas[place % len(areas)]}5550{100 + place // len(areas)}"
