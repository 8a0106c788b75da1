"""E-mail to people who work here: one message at a time, as text and HTML, from templates."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from loyalty.models import Programme, User

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]+")
# RFC 5322: at most 998 characters a line; a subject that long is no subject.
LONGEST_SUBJECT = 150


def one_line(text: str) -> str:
    """Return a name as it may stand in a header or a sentence: no line break, nothing that turns text around."""
    return " ".join(CONTROL.sub(" ", text).split())


def language_of(user: User, programme: Programme) -> str:
    """Return the language that the person reads mails in: her own, else the programme's first one that there is."""
    known = {code for code, _name in settings.LANGUAGES}
    return next((code for code in (user.language, *programme.languages) if code in known), settings.LANGUAGE_CODE)


def link(path: str) -> str:
    """Return the whole address of a page."""
    return f"{settings.SITE_URL}{path}"


def kept_in_files() -> str:
    """Return the folder where mails land as files; empty where they are sent."""
    return settings.EMAIL_FILE_PATH if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend") else ""


def send(*, to: User, language: str, template: str, context: Callable[[], dict[str, Any]], message_id: str) -> None:
    """Send `mail/<template>.txt` and `.html` to a person; whoever calls holds no transaction.

    `context` is asked in her language; its `subject` is the header's. A message sent twice keeps its id, so that
    mailboxes may drop the second one. Raises what the mail backend raises: SMTPException, OSError.
    """
    with translation.override(language):
        values = context()
        text, html = (render_to_string(f"mail/{template}.{part}", values) for part in ("txt", "html"))
    message = EmailMultiAlternatives(
        subject=one_line(values["subject"])[:LONGEST_SUBJECT],
        body=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n",
        to=[to.email],
        headers={
            "Message-ID": f"<{message_id}@{urlsplit(settings.SITE_URL).hostname or 'localhost'}>",
            # No out-of-office answers to a machine (RFC 3834).
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(html, "text/html")
    message.send()
