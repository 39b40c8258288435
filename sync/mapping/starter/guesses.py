"""What `headrace init` guesses from names and types: words for a column, personal data, whether a table is a detail.

Every guess errs on the closed side, and the starter mapping marks it `# review`.
"""

from __future__ import annotations

import re
import unicodedata

from sync.mapping.kinds import bare, kind_of_type, width
from sync.mapping.lock import LockColumn

TREATMENTS = {
    "name": "mask",
    "contact": "drop",
    "document": "drop",
    "birth": "drop",
    "network": "drop",
    "personal": "drop",
}
_TEXT_OR_NUMBER = {"text", "integer", "decimal"}
_SECRET = re.compile(r"passw(or)?d|passwd|secret|token|api_?key|private_?key|salt$|_hash$|pwd|pin_code|cvv|cvc")
_CONTACT = re.compile(
    r"e_?mail|\bmail\b|phone|mobile|\btel\b|telefon|fax|address|street|strasse|postal|postcode|zip|whatsapp|skype|twitter"
)
_DOCUMENT = re.compile(
    r"passport|iban|\bbic\b|ssn|social_security|national_id|identity_(card|no|number)|id_card|tax_(id|no|number)|vat_no"
    r"|driv(ing|er)_?licen[cs]e|credit_card|card_(no|number)|\bpan\b|account_(no|number)|codice_fiscale|\bnin\b|visa_no"
)
_BIRTH = re.compile(r"birth|\bborn\b|\bdob\b|geburt|nascita|\bage\b|gender|\bsex\b|religion|ethnic|nationality|marital")
_NETWORK = re.compile(r"\bip\b|ip_addr|user_agent|mac_addr|device_id|session_id|\blat\b|\blon\b|latitude|longitude")
_PERSON_NAME = re.compile(
    r"(full|first|last|middle|given|family|maiden|sur|fore|user|nick|display|contact|customer|client|patient|passenger"
    r"|guest|member|employee|driver|student|teacher|author|owner|person|holder|recipient|sender|pax)_?name|surname"
    r"|forename|username|nickname|\blogin\b|vorname|nachname|cognome"
)
_PEOPLE = re.compile(
    r"customer|client|user|people|person|patient|passenger|guest|member|employee|staff|driver|student|teacher|contact"
    r"|subscriber|candidate|applicant|visitor|author|owner|profile|account_holder"
)
_LONGEST_CODE = 12
_NO_TEXT = {"bytea", "tsvector", "tsquery", "xml", "blob", "longblob", "mediumblob", "tinyblob", "binary", "varbinary",
            "geometry", "geography", "point", "polygon", "path", "box", "line", "lseg", "circle", "bit", "bit varying",
            "pg_lsn", "vector"}  # fmt: skip
_NAMING = ("name", "title", "label", "subject", "reference", "number", "no", "nr")
_CODES = {"cd", "code", "status", "state", "type", "kind", "flag", "category", "class", "level"}


def ascii_name(name: str) -> str:
    """A name that templates, filters and collections can use: small letters, digits and _, a letter first."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    plain = unicodedata.normalize("NFKD", split.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return words if words[:1].isalpha() else f"c_{words}" if words else "c"


def words(name: str) -> str:
    """``customer_id`` → ``customer id``, ``orderDate`` → ``order date``; other alphabets stay."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    text = re.sub(r"[\W_]+", " ", split).strip()
    return text.lower() if text else "value"


def singular(name: str) -> str:
    """``bookings`` → ``booking``; what is none of English's simple plurals stays."""
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    if name.endswith(("sses", "shes", "ches", "xes", "zes")):
        return name[:-2]
    if name.endswith("s") and not name.endswith(("ss", "us", "is")) and len(name) > 3:
        return name[:-1]
    return name


def unreadable(column: LockColumn) -> str | None:
    """Why a column is left out of a starter, or None: it is taken in."""
    if column.generated:
        return "generated columns are in no change"
    if bare(column.type) in _NO_TEXT:
        return f"{column.type} is no text"
    if kind_of_type(column.type) == "json":
        return "name the json's fields that may be read, `fields: {path: label}`"
    return None


def secret(name: str) -> bool:
    return _SECRET.search(_spread(name)) is not None


def privacy_class(table: str, name: str, column: LockColumn) -> str | None:
    """The class of a column that looks like personal data."""
    # a domain's name says as much as a column's: email_address
    kind, spread = kind_of_type(column.type), f"{_spread(name)} {_spread(column.type)}"
    if bare(column.type) in ("inet", "cidr", "macaddr", "macaddr8"):
        return "network"
    if column.values or kind == "boolean":
        return "birth" if column.values and _BIRTH.search(spread) else None
    if _BIRTH.search(spread) and kind in (*_TEXT_OR_NUMBER, "date", "timestamp"):
        return "birth"
    if kind not in _TEXT_OR_NUMBER:
        return None
    for pattern, found in ((_NETWORK, "network"), (_CONTACT, "contact"), (_DOCUMENT, "document")):
        if pattern.search(spread):
            return found
    of_a_person = ascii_name(name) == "name" and _PEOPLE.search(_spread(table)) is not None
    if kind == "text" and (of_a_person or _PERSON_NAME.search(spread)):
        return "name" if _maskable(column) else "personal"
    return None


def _maskable(column: LockColumn) -> bool:
    return bare(column.type) in ("text", "character varying", "varchar", "character", "char", "bpchar")


def _spread(name: str) -> str:
    """Small, with word borders where a name has underscores or capitals, so that ``\\bip\\b`` finds `client_ip`."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"{split} {split.replace('_', ' ')}"


def naming_rank(name: str) -> int:
    """How well a column names its row to a reader: smaller is better."""
    last = ascii_name(name).split("_")[-1]
    return _NAMING.index(last) if last in _NAMING else len(_NAMING)


def looks_coded(name: str, column: LockColumn) -> bool:
    """Whether a text column seems to hold codes, to which only the business knows the words."""
    room = width(column.type)
    return (
        kind_of_type(column.type) == "text"
        and ascii_name(name).split("_")[-1] in _CODES
        and (room is None or room <= _LONGEST_CODE)
    )


def is_cents(name: str, column: LockColumn) -> bool:
    return kind_of_type(column.type) == "integer" and ascii_name(name).endswith(("_cents", "_cent"))
