"""How lessons become pages and slides: see ``tools/make_site.py`` and ``tools/make_slides.py``."""
