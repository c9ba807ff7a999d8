"""A bar chart as SVG, readable on light and dark pages."""

from html import escape


def chart(title, bars):
    """`bars` are pairs of label and value; the longest fills the width."""
    width, left, height, top = 760, 250, 30, 44
    longest = max(value for _, value in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top + height * len(bars) + 8}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        "<style>text{fill:#24292f}.bar{fill:#8b949e}.own{fill:#1f883d}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>",
        f'<text x="8" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for index, (label, value) in enumerate(bars):
        y = top + index * height
        length = max(1, (width - left - 80) * value / longest)
        kind = "own" if label == "Sparekey" else "bar"
        lines += [
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{kind}" x="{left}" y="{y}" width="{length:.1f}" height="20" rx="3"/>',
            f'<text x="{left + length + 6:.1f}" y="{y + 15}">{value:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
