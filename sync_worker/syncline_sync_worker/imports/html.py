"""The text of a web page: what a reader would see, a block a paragraph."""

from html.parser import HTMLParser

_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg"})
_INLINE = frozenset(
    {
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "cite",
        "code",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "small",
    }
    | {"span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}
)


def text_of_html(source: str) -> tuple[str | None, str]:
    """Give the page's title, or None, and its text. Broken markup is read as far as it makes sense."""
    page = _Page()
    page.feed(source)
    page.close()
    title = " ".join("".join(page.title).split())
    return title or None, _paragraphs("".join(page.parts))


def _paragraphs(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


class _Page(HTMLParser):
    """Collects what is seen; `_unseen` counts the open elements whose text is not."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.parts: list[str] = []
        self._unseen = 0
        self._pre = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "title":
            self._in_title = not self.title
        elif tag in _UNSEEN:
            self._unseen += 1
        elif tag not in _INLINE:
            self._pre += tag == "pre"
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag not in _INLINE:
            self._pre -= tag == "pre"
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._unseen:
            self.parts.append(data if self._pre > 0 else data.replace("\n", " "))
