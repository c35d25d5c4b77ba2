"""Sample data, the same every time, salts aside: python -m app.seed"""

import os
import random
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from itertools import combinations, product
from typing import Any

from bson import ObjectId

from app import accounts, store

Document = dict[str, Any]
FIRST = datetime(2025, 10, 3, 8, tzinfo=timezone.utc)
YEARS = range(2008, 2026)
BATCH = 500  # documents inserted at once, so that a busy server answers before the client gives it up
CITIES = {
    "Allemagne": "Berlin Göttingen", "Argentine": "Rosario Córdoba", "Australie": "Perth Sydney",
    "Autriche": "Vienne Graz", "Belgique": "Liège Louvain", "Brésil": "Recife Campinas", "Canada": "Montréal Québec",
    "Chili": "Santiago Valparaíso", "Chine": "Pékin Wuhan", "Corée": "Séoul Daejeon", "Danemark": "Aarhus Odense",
    "Égypte": "Assiout Alexandrie", "Espagne": "Grenade Séville", "Finlande": "Turku Oulu", "France": "Lyon Orléans",
    "Grèce": "Athènes Patras", "Inde": "Pune Chennai", "Irlande": "Galway Cork", "Italie": "Padoue Pise",
    "Japon": "Kyōto Sendai", "Maroc": "Fès Rabat", "Mexique": "Mérida Puebla", "Norvège": "Tromsø Bergen",
    "Pays-Bas": "Leyde Utrecht", "Pologne": "Łódź Poznań", "Portugal": "Évora Coimbra", "Roumanie": "Iași Cluj",
    "Sénégal": "Dakar Thiès", "Suède": "Umeå Malmö", "Suisse": "Genève Zürich", "Tunisie": "Sfax Sousse",
}  # fmt: skip
KINDS = ["Université", "Institut polytechnique", "Centre hospitalier", "École supérieure", "Observatoire"]
FIRST_NAMES = [
    "Zoé", "Léa", "Noël", "Inès", "Théo", "Anaïs", "Jérôme", "Agnès", "Loïc", "Aïcha", "Élise", "Gaël", "Françoise",
    "Søren", "Łucja", "Müge", "Ana",
]  # fmt: skip
LAST_NAMES = [
    "Lefèvre", "Muñoz", "Østergaard", "Nuñez", "Müller", "Kowalczyk", "Sánchez", "Dupré", "O'Neill", "Ferreira",
    "N'Diaye", "Çelik", "Ito",
]  # fmt: skip
FIELDS = ["génomique", "climatologie", "épidémiologie", "optique", "linguistique", "robotique", "économie", "écologie"]
SUBJECTS = ["Adaptation", "Mesure", "Modélisation", "Évolution", "Coût", "Stabilité", "Origine"]
OBJECTS = ["réseaux", "populations isolées", "récifs", "données bruitées", "sols gelés", "corpus oraux"]


def identifier(kind: int, number: int) -> ObjectId:
    """The same kind and number give the same id."""
    return ObjectId(f"{kind:08x}{number:016x}")


def institutions() -> list[Document]:
    countries = list(CITIES)
    made = []
    for number in range(1264):
        country, rest = countries[number % len(countries)], number // len(countries)
        city, rest = CITIES[country].split()[rest % 2], rest // 2
        kind, which = KINDS[rest % len(KINDS)], rest // len(KINDS) + 1
        made.append({
            "_id": identifier(1, number), "nom": f"{kind} {city} {which}", "type": kind, "ville": city,
            "pays": country,
        })  # fmt: skip
    return made


def researchers(places: list[Document]) -> list[Document]:
    made = []
    for number in range(181):
        place = places[number * 7 % len(places)]
        made.append({
            "_id": identifier(2, number), "orcid": f"0000-0002-{number // 10:04}-{number % 10}{number * 37 % 1000:03}",
            "prenom": FIRST_NAMES[number % len(FIRST_NAMES)], "nom": LAST_NAMES[number % len(LAST_NAMES)],
            "domaine": FIELDS[number % len(FIELDS)], "institution": place["_id"], "pays": place["pays"],
        })  # fmt: skip
    return made


def publications(people: list[Document]) -> list[Document]:
    made = []
    for number in range(4527):
        chance = random.Random(number)
        first = people[number % len(people)]
        near = [people[(number + step) % len(people)] for step in (1, 2, 3, 5, 8)]
        authors = [first, *chance.sample(near, chance.randint(0, 4))]
        year = chance.choice(YEARS)
        made.append({
            "_id": identifier(3, number), "doi": f"10.5555/rd.{year}.{number:05}", "annee": year,
            "titre": f"{chance.choice(SUBJECTS)} des {chance.choice(OBJECTS)} en {first['domaine']}",
            "domaine": first["domaine"], "auteurs": [author["_id"] for author in authors], "pays": first["pays"],
            "citations": int(chance.paretovariate(1.1)) + (2025 - year), "libre_acces": chance.random() < 0.4,
            "ajoute_le": FIRST + timedelta(minutes=number),
        })  # fmt: skip
    return made


def collaborations(people: list[Document], papers: list[Document]) -> list[Document]:
    """The 131 pairs of institutions with the most publications together."""
    home = {person["_id"]: person["institution"] for person in people}
    together: Counter[tuple[ObjectId, ObjectId]] = Counter()
    since: dict[tuple[ObjectId, ObjectId], int] = {}
    for paper in papers:
        for pair in combinations(sorted({home[author] for author in paper["auteurs"]}), 2):
            together[pair] += 1
            since[pair] = min(paper["annee"], since.get(pair, paper["annee"]))
    best = sorted(together, key=lambda pair: (-together[pair], pair))[:131]
    return [
        {"_id": identifier(4, n), "institutions": list(pair), "publications": together[pair], "depuis": since[pair]}
        for n, pair in enumerate(best)
    ]


def statistics(papers: list[Document]) -> list[Document]:
    """For each country and year, what was published and cited, none included."""
    published = Counter((paper["pays"], paper["annee"]) for paper in papers)
    cited: Counter[tuple[str, int]] = Counter()
    for paper in papers:
        cited[paper["pays"], paper["annee"]] += paper["citations"]
    made: list[Document] = []
    for key in product(CITIES, YEARS):
        made.append({
            "_id": identifier(5, len(made)), "pays": key[0], "annee": key[1], "publications": published[key],
            "citations": cited[key],
        })  # fmt: skip
    return made


def users(people: list[Document], password: str) -> list[Document]:
    """`admin` with its password; the others cannot log in until it gives them one; three are guests for ten years."""
    made: list[Document] = [{"username": "admin", "role": "admin", "password": accounts.digest(password)}]
    for number, person in enumerate(people[:38]):
        name = unicodedata.normalize("NFKD", f"{person['prenom']}.{person['nom']}")
        plain = "".join(sign for sign in name.lower() if sign.isascii() and (sign.isalnum() or sign == "."))
        made.append({"username": f"{plain}{number}", "role": "reader", "password": None})
    for guest in made[-3:]:
        guest["expires_at"] = FIRST + timedelta(days=3653)
    return [{"_id": identifier(6, n), **user, "created_at": FIRST} for n, user in enumerate(made)]


def add(name: str, documents: Iterable[Document]) -> int:
    """Insert the documents whose ids are not there yet; returns how many."""
    there = {one["_id"] for one in store.db[name].find({}, {"_id": 1})}
    new = [one for one in documents if one["_id"] not in there]
    for start in range(0, len(new), BATCH):
        store.db[name].insert_many(new[start : start + BATCH])
    return len(new)


def seed() -> dict[str, int]:
    """Fill the six collections; returns how many documents were new in each."""
    places = institutions()
    people = researchers(places)
    papers = publications(people)
    return {
        "institutions": add("institutions", places),
        "chercheurs": add("chercheurs", people),
        "publications": add("publications", papers),
        "collaborations": add("collaborations", collaborations(people, papers)),
        "stats_pays": add("stats_pays", statistics(papers)),
        "users": add("users", users(people, os.environ["ADMIN_PASSWORD"])),
    }


if __name__ == "__main__":
    for name, number in seed().items():
        print(f"{name}: {number} added")
