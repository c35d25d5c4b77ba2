"""MongoDB: the six collections, their indexes, and what is read from them."""

import os
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient

HOST, DATABASE = os.environ["MONGO_HOST"], os.environ["MONGO_INITDB_DATABASE"]
USER, PASSWORD = "dashboard", os.environ["MONGO_APP_PASSWORD"]

INDEXES = {
    "chercheurs": [IndexModel("orcid", unique=True), IndexModel([("nom", ASCENDING), ("prenom", ASCENDING)])],
    "institutions": [IndexModel([("pays", ASCENDING), ("nom", ASCENDING)], unique=True)],
    "publications": [
        IndexModel("doi", unique=True),
        IndexModel([("annee", DESCENDING), ("domaine", ASCENDING)]),
        IndexModel("auteurs"),
    ],
    "collaborations": [IndexModel("institutions"), IndexModel([("publications", DESCENDING)])],
    "stats_pays": [IndexModel([("pays", ASCENDING), ("annee", ASCENDING)], unique=True)],
    # A guest's account is gone when its time is over; an account without `expires_at` stays.
    "users": [IndexModel("username", unique=True), IndexModel("expires_at", expireAfterSeconds=0)],
}


def connect(user: str = USER, password: str = PASSWORD, source: str = DATABASE) -> MongoClient[dict[str, Any]]:
    """A client that says within 2 s that MongoDB is away, bears with a slow one, and reconnects by itself."""
    return MongoClient(
        HOST,
        directConnection=True,  # one server, whatever it calls itself; a replica set's members are not asked for
        username=user,
        password=password,
        authSource=source,
        serverSelectionTimeoutMS=2000,
        connectTimeoutMS=10_000,  # of the heartbeats too: one that is late breaks off what is under way
        socketTimeoutMS=20_000,
        tz_aware=True,
    )


db = connect()[DATABASE]


def check() -> None:
    """Ask MongoDB something that needs the password; raises PyMongoError when it does not answer."""
    db.users.find_one({}, {"_id": 1})


def counts() -> dict[str, int]:
    """How many documents each collection has."""
    return {name: db[name].count_documents({}) for name in INDEXES}


def publications(annee: int | None, domaine: str | None, limit: int) -> list[dict[str, Any]]:
    """The most cited publications of a year and a field, with the names of their authors."""
    wanted = {key: value for key, value in (("annee", annee), ("domaine", domaine)) if value is not None}
    found = list(db.publications.find(wanted).sort([("citations", DESCENDING), ("_id", ASCENDING)]).limit(limit))
    authors = {author for one in found for author in one["auteurs"]}
    people = db.chercheurs.find({"_id": {"$in": list(authors)}}, {"nom": 1, "prenom": 1})
    names = {one["_id"]: f"{one['prenom']} {one['nom']}" for one in people}
    return [
        {
            "doi": one["doi"],
            "titre": one["titre"],
            "annee": one["annee"],
            "domaine": one["domaine"],
            "citations": one["citations"],
            "auteurs": [names[author] for author in one["auteurs"] if author in names],
        }
        for one in found
    ]


def countries() -> list[dict[str, Any]]:
    """Publications and citations of each country in each year."""
    return list(db.stats_pays.find({}, {"_id": 0}).sort([("pays", ASCENDING), ("annee", ASCENDING)]))


def collaborations(limit: int) -> list[dict[str, Any]]:
    """The pairs of institutions that published together most often."""
    found = list(db.collaborations.find().sort([("publications", DESCENDING), ("_id", ASCENDING)]).limit(limit))
    ids = {one for pair in found for one in pair["institutions"]}
    names = {one["_id"]: one["nom"] for one in db.institutions.find({"_id": {"$in": list(ids)}}, {"nom": 1})}
    return [
        {
            "institutions": [names.get(one, "?") for one in pair["institutions"]],
            "publications": pair["publications"],
            "depuis": pair["depuis"],
        }
        for pair in found
    ]
