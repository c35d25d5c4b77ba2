"""The dashboard: everything that it shows it reads through the api, with the token of whoever is logged in."""

import os
from typing import Any

import requests
import streamlit as st

API = os.environ["API_BASE_URL"]
SECONDS = 10


def main() -> None:
    st.set_page_config("Research dashboard", layout="wide")
    st.title("Research dashboard")
    if "token" not in st.session_state:
        log_in()
        return
    if st.sidebar.button("Log out"):
        log_out()
    overview()
    countries()
    publications()
    collaborations()


def log_in() -> None:
    with st.form("login"):
        name = st.text_input("Name")
        password = st.text_input("Password", type="password")
        if not st.form_submit_button("Log in"):
            return
    answer = send("POST", "/login", data={"username": name, "password": password})
    if answer.status_code == 401:
        st.error("The name or the password is wrong.")
        return
    st.session_state["token"] = answer.json()["access_token"]
    st.rerun()


def log_out() -> None:
    st.session_state.clear()
    st.rerun()


def send(method: str, path: str, **more: Any) -> requests.Response:
    """What the api answers; where it does not, the page says so and ends."""
    try:
        answer = requests.request(method, API + path, timeout=SECONDS, **more)
    except requests.RequestException:
        st.error("The api does not answer.")
        st.stop()
    if answer.status_code >= 500:
        st.error("The api has no answer: its database is away.")
        st.stop()
    return answer


def read(path: str, **parameters: Any) -> Any:
    """JSON from the api; a token that is not valid any more leads back to the login."""
    answer = send("GET", path, params=parameters, headers={"Authorization": f"Bearer {st.session_state['token']}"})
    if answer.status_code == 401:
        log_out()
    answer.raise_for_status()
    return answer.json()


def overview() -> None:
    counts = read("/counts")
    for column, (name, number) in zip(st.columns(len(counts)), counts.items(), strict=True):
        column.metric(name, f"{number:,}")


def countries() -> None:
    rows = read("/pays")
    if not rows:
        st.info("There are no data yet: inv seed")
        return
    st.subheader("Publications by country")
    names = sorted({row["pays"] for row in rows})
    chosen = st.multiselect("Countries", names, default=[name for name in ("France", "Japon") if name in names])
    st.line_chart([row for row in rows if row["pays"] in chosen], x="annee", y="publications", color="pays")


def publications() -> None:
    st.subheader("Most cited publications")
    year = st.selectbox("Year", [None, *range(2025, 2007, -1)], format_func=lambda one: str(one or "all"))
    rows = read("/publications", **({"annee": year} if year else {}))
    st.dataframe([{**row, "auteurs": ", ".join(row["auteurs"])} for row in rows])


def collaborations() -> None:
    st.subheader("Institutions that publish together")
    rows = read("/collaborations")
    st.dataframe([{**row, "institutions": " + ".join(row["institutions"])} for row in rows])


main()
