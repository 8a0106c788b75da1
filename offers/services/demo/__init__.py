"""The demo's offers (docs/demo.md). These modules need the packages of requirements-demo.txt: only the command that
loads the demo imports them."""
