//! Pieces of a self-contained, printable HTML page: one file without scripts and external resources.

use std::fmt::Write;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.7rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.4rem;border-bottom:1px solid #ccc}\
figure{margin:1.2rem 0;break-inside:avoid}svg{width:100%;min-width:40rem;height:auto}figcaption{font-size:.93rem;color:#333}\
.paper svg{width:auto;min-width:0;max-width:max(100%,40rem);background:#fff}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}\
th,td{border:1px solid #bbb;padding:.35rem .5rem;text-align:left;vertical-align:top}td:last-child{overflow-wrap:anywhere}.good,.bad,.none,.number{white-space:nowrap}th{background:#f2f2f2}\
tr{break-inside:avoid}.good{background:#dcf2e0;font-weight:600}.bad{background:#f9d4cf;font-weight:700}.none{background:#eee}\
code,pre{font:.88rem ui-monospace,monospace;background:#f5f5f5;padding:.1rem .25rem}\
pre{padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}\
@media print{body{margin:0;max-width:none;font-size:11pt}svg{min-width:0}.good,.bad,.none,th{print-color-adjust:exact}}";

/// Colours where the reader's system is dark.
const DARK: &str = "\
body{color:#ddd;background:#161618}h2{border-color:#444}figcaption{color:#bbb}th,td{border-color:#444}th{background:#252529}\
.good{background:#16391f}.bad{background:#57211b}.none{background:#2b2b2e}code,pre{background:#232327}";

/// Colours that figures are drawn with, for white paper, and those in their place in the dark: paper, ink, grid, bands, and
/// the curves that would be too dark.
const IN_THE_DARK: [(&str, &str); 11] = [
    ("#FFFFFF", "#161618"),
    ("#282828", "#dddddd"),
    ("#D6D6D6", "#3a3a3e"),
    ("#EEEEEE", "#26262a"),
    ("#FDF1D6", "#33291a"),
    ("#E2EFF9", "#1a2a38"),
    ("#6E6E6E", "#9a9a9a"),
    ("#0072B2", "#4aa8e0"),
    ("#00305C", "#9ecbf5"),
    ("#9E4810", "#d98550"),
    ("#5E54C4", "#a39bf0"),
];

/// Rules for all that is drawn in one of these colours.
fn in_the_dark() -> String {
    let rule = |(light, dark): (&str, &str)| {
        let of = |what: &str| format!("figure:not(.paper) svg [{what}='{light}']{{{what}:{dark}}}");
        of("fill") + &of("stroke")
    };
    IN_THE_DARK.map(rule).concat()
}

/// Escapes text for HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// HTML page under construction; it escapes text.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    body: String,
}

impl Page {
    pub fn new(title: &str) -> Self {
        let title = escaped(title);
        Self { body: format!("<h1>{title}</h1>\n"), title }
    }

    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(text));
    }

    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    /// Adds preformatted lines, for commands.
    pub fn verbatim(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre>{}</pre>", escaped(text));
    }

    /// Adds sentences as a list.
    pub fn list(&mut self, sentences: &[String]) {
        let items: String = sentences.iter().map(|text| format!("<li>{}</li>", escaped(text))).collect();
        let _ = writeln!(self.body, "<ul>{items}</ul>");
    }

    /// Adds an inline SVG document with a caption, which names it for readers who do not see it.
    pub fn figure(&mut self, svg: &str, caption: &str) {
        self.drawing(svg, caption, "");
    }

    /// Adds a map like a figure. Its shades have a meaning, so it stays on white paper where the page is dark.
    pub fn map(&mut self, svg: &str, caption: &str) {
        self.drawing(svg, caption, " class=\"paper\"");
    }

    fn drawing(&mut self, svg: &str, caption: &str, class: &str) {
        // An inline drawing needs neither a namespace nor a prologue.
        let start = svg.find("<svg").unwrap_or(0);
        let drawing = svg[start..].replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
        let caption = escaped(caption);
        let drawing = drawing.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{caption}\""), 1);
        let _ = writeln!(
            self.body,
            "<figure{class}>\n<div class=\"wide\">{drawing}</div>\n<figcaption>{caption}</figcaption>\n</figure>"
        );
    }

    /// Adds a table; each cell is a text and a class (`good`, `bad`, `none`, `number` for text without line breaks,
    /// or empty).
    pub fn table(&mut self, header: &[&str], rows: &[Vec<(String, &str)>]) {
        let head: String = header.iter().map(|h| format!("<th scope=\"col\">{}</th>", escaped(h))).collect();
        let _ = writeln!(self.body, "<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>");
        for row in rows {
            let cells: String = row
                .iter()
                .map(|(text, class)| match *class {
                    "" => format!("<td>{}</td>", escaped(text)),
                    class => format!("<td class=\"{class}\">{}</td>", escaped(text)),
                })
                .collect();
            let _ = writeln!(self.body, "<tr>{cells}</tr>");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// Returns the document.
    pub fn finish(self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>{}</title><style>{STYLE}\n@media screen and (prefers-color-scheme:dark){{{DARK}{}}}</style></head>\n\
             <body><main>\n{}</main></body></html>\n",
            self.title,
            in_the_dark(),
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_drawings_are_inline() {
        let mut page = Page::new("a < b");
        page.figure("<svg width=\"1\" xmlns=\"http://www.w3.org/2000/svg\"><g/></svg>", "x & y");
        page.table(&["c"], &[vec![("<script>".into(), "bad")]]);
        let html = page.finish();
        for text in [
            "<title>a &lt; b</title>",
            "<svg role=\"img\" aria-label=\"x &amp; y\" width=\"1\"><g/>",
            "x &amp; y",
            "<td class=\"bad\">&lt;script&gt;",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("http") && !html.contains("<script"));
    }

    /// Contrast of two colours as the guidelines of the web define it, between 1 and 21.
    fn contrast(a: &str, b: &str) -> f64 {
        let light = |color: &str| {
            let part = |at: usize| {
                let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) + 0.05
        };
        let (a, b) = (light(a), light(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn figures_can_be_read_in_the_dark() {
        use crate::report::{Mark, Panel, PlotAxis, Quantity, Series, Style, panels_to_svg, phase_bands};
        let mut colors = vec![Quantity::TestError, Quantity::Residual, Quantity::Loss, Quantity::Signal];
        colors.extend([Quantity::AngleTruth, Quantity::AngleSpectral, Quantity::Theory]);
        colors.extend((0..3).map(Quantity::TestErrorIn));
        colors.extend((0..Quantity::RUNS).map(|run| Quantity::Run(run as u8)));
        let curve =
            |color| Series { label: "a".into(), color, style: Style::Line, points: vec![(0.0, 1.0), (9.0, 2.0)] };
        let panel = Panel {
            x: PlotAxis::linear("x"),
            bands: phase_bands(Some(3), Some(6), 9.0),
            marks: vec![Mark { at: 2.0, label: "m".into() }],
            series: colors.into_iter().map(curve).collect(),
            ..Panel::default()
        };
        let svg = panels_to_svg(&[panel]).unwrap();
        let used = |what: &str| -> std::collections::BTreeSet<String> {
            svg.split(&format!("{what}=\"#")).skip(1).map(|rest| format!("#{}", &rest[..6])).collect()
        };
        let shown = |color: &str| {
            IN_THE_DARK
                .iter()
                .find(|(light, _)| *light == color)
                .map_or(color.to_owned(), |(_, dark)| (*dark).to_owned())
        };
        let (fills, strokes) = (used("fill"), used("stroke"));
        let paper = shown("#FFFFFF");
        // The grid is meant to be faint, and bands lie behind everything.
        let faint = |color: &str| color == "#D6D6D6" || ["#FFFFFF", "#EEEEEE", "#FDF1D6", "#E2EFF9"].contains(&color);
        assert!(fills.iter().filter(|color| faint(color)).count() == 4 && strokes.len() > 10, "{fills:?} {strokes:?}");
        for color in fills.union(&strokes) {
            let found = contrast(&shown(color), &paper);
            assert!(
                if faint(color) { found < 2.0 } else { found > 3.0 },
                "{color} has the contrast {found} in the dark"
            );
        }
        for (light, _) in IN_THE_DARK {
            assert!(fills.contains(light) || strokes.contains(light), "nothing is drawn in {light}");
        }
    }
}
