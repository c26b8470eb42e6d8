"""Pages as a browser reads them."""

import html.parser

# Text that would run if a page did not escape it.
EVIL = "<script>alert(1)</script>"


class Page(html.parser.HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.ids, self.links, self.scripts = text, [], [], 0
        self.headings: list[str] = []
        self.words, self._tag = "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag, values = tag, dict(attrs)
        self.scripts += tag == "script"
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src") if name in values]

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._tag == "h2" and data.strip():
            self.headings.append(data.strip())
