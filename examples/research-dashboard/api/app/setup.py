"""What must be there before the api starts: its database user and the indexes. May run at every start.

python -m app.setup, with MongoDB's administrator in the environment
"""

import os

from pymongo.errors import OperationFailure

from app import store

ALREADY_EXISTS = 51003


def setup() -> None:
    """Create the user, or give it the present password; create the indexes that are missing."""
    user, password = os.environ["MONGO_INITDB_ROOT_USERNAME"], os.environ["MONGO_INITDB_ROOT_PASSWORD"]
    with store.connect(user, password, "admin") as client:
        db = client[store.DATABASE]
        roles = [{"role": "readWrite", "db": store.DATABASE}]
        try:
            db.command("createUser", store.USER, pwd=store.PASSWORD, roles=roles)
        except OperationFailure as error:
            if error.code != ALREADY_EXISTS:
                raise
            db.command("updateUser", store.USER, pwd=store.PASSWORD, roles=roles)
        for name, indexes in store.INDEXES.items():
            db[name].create_indexes(indexes)


if __name__ == "__main__":
    setup()
    print(f"{store.DATABASE}: user {store.USER} and the indexes are there")
