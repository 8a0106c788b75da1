"""Addresses of the admin's pages."""

from django.urls import reverse


def address(label, page, *arguments):
    return reverse(f"admin:{label.replace('.', '_')}_{page}", args=arguments)
