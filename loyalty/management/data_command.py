"""What every command that moves data has in common."""

from django.core.management import BaseCommand


class DataCommand(BaseCommand):
    """A command that reads or writes data, and shows no page.

    Django's system checks load every page and every address of the API first: 40 MB and half a second, which a
    command called each night for each file would pay anew (B-17). `./run check` runs them.
    """

    requires_system_checks: list[str] = []
