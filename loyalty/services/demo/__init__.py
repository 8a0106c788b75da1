"""The demo: a year of a real grocer as a programme (docs/demo.md). What an installation without it needs is here;
the loading modules need the packages of requirements-demo.txt and are imported by the command alone."""

from loyalty.services.demo.login import LOGINS, Login, logins
from loyalty.services.demo.package import MissingData
from loyalty.services.demo.state import is_loaded

__all__ = ["LOGINS", "Login", "MissingData", "is_loaded", "logins"]
