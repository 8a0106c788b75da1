"""Which programme a command works in."""

from argparse import ArgumentParser

from django.core.management import CommandError

from loyalty.models import Programme


def add_argument(parser: ArgumentParser) -> None:
    """Add `--programme`, which may be left out where there is only one."""
    parser.add_argument("--programme", help="The programme's slug; not needed where there is only one.")


def chosen(slug: str | None) -> Programme:
    """Return the programme with that slug, or the only one."""
    known = list(Programme.objects.order_by("slug"))
    if slug is None and len(known) == 1:
        return known[0]
    for programme in known:
        if programme.slug == slug:
            return programme
    slugs = ", ".join(programme.slug for programme in known) or "none yet"
    raise CommandError(f"Choose a programme with --programme. There are: {slugs}.")
