"""Writing SVG: elements with escaped attributes, and numbers short enough for a slow link."""

from __future__ import annotations

from html import escape


def num(value: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{round(value, 1) + 0.0:.1f}"  # + 0.0: never "-0"
    return text[:-2] if text.endswith(".0") else text


def tag(name: str, *children: str, **attributes: str | float | None) -> str:
    """One element; `class_` becomes `class`, other underscores hyphens, None is left out.

    Children are SVG already; text goes through `text_of` first.
    """
    written = "".join(
        f' {_attribute(key)}="{escape(value if isinstance(value, str) else num(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text_of(text: str) -> str:
    """Escape what will stand between two tags."""
    return escape(text, quote=False)


def link(drawn: str, href: str | None, title: str) -> str:
    """A drawing that leads somewhere by a click, or as it is where `href` is None.

    The keyboard finds the same links in the table or list beside the drawing, so that it need not walk every mark.
    """
    return drawn if href is None else tag("a", drawn, href=href, tabindex="-1", aria_label=title)


def _attribute(key: str) -> str:
    # SVG's camel-case names have no underscore; they pass through unchanged.
    return key.rstrip("_").replace("_", "-")
