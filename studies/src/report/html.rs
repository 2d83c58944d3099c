//! Pieces of a self-contained, printable HTML page: one file without scripts and external resources.

use std::fmt::Write;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.7rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.4rem;border-bottom:1px solid #ccc}\
figure{margin:1.2rem 0;break-inside:avoid}svg{width:100%;min-width:40rem;height:auto}figcaption{font-size:.93rem;color:#333}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{border:1px solid #bbb;padding:.35rem .5rem;\
text-align:left;vertical-align:top}td:last-child{overflow-wrap:anywhere}.good,.bad,.none,.number{white-space:nowrap}th{background:#f2f2f2}\
tr{break-inside:avoid}.good{background:#dcf2e0;font-weight:600}.bad{background:#f9d4cf;font-weight:700}.none{background:#eee}\
code,pre{font:.88rem ui-monospace,monospace;background:#f5f5f5;padding:.1rem .25rem}\
pre{padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}\
@media print{body{margin:0;max-width:none;font-size:11pt}svg{min-width:0}.good,.bad,.none,th{print-color-adjust:exact}}";

/// Colours where the reader's system is dark. Figures are drawn for white paper: their paper, ink, grid and bands get other
/// colours here, by the colours that they were drawn with; curves keep theirs but for the darkest.
const DARK: &str = "\
body{color:#ddd;background:#161618}h2{border-color:#444}figcaption{color:#bbb}th,td{border-color:#444}th{background:#252529}\
.good{background:#16391f}.bad{background:#57211b}.none{background:#2b2b2e}code,pre{background:#232327}\
svg [fill='#FFFFFF']{fill:#161618}svg [fill='#282828']{fill:#ddd}svg [stroke='#282828']{stroke:#ddd}\
svg [stroke='#D6D6D6']{stroke:#3a3a3e}svg [fill='#EEEEEE']{fill:#26262a}svg [fill='#FDF1D6']{fill:#33291a}\
svg [fill='#E2EFF9']{fill:#1a2a38}svg [stroke='#6E6E6E']{stroke:#9a9a9a}svg [stroke='#00305C']{stroke:#9ecbf5}\
svg [fill='#00305C']{fill:#9ecbf5}svg [stroke='#0072B2']{stroke:#4aa8e0}svg [fill='#0072B2']{fill:#4aa8e0}\
svg [stroke='#9E4810']{stroke:#d98550}svg [stroke='#5E54C4']{stroke:#a39bf0}";

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
        // An inline drawing needs neither a namespace nor a prologue.
        let start = svg.find("<svg").unwrap_or(0);
        let drawing = svg[start..].replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
        let caption = escaped(caption);
        let drawing = drawing.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{caption}\""), 1);
        let _ = writeln!(
            self.body,
            "<figure>\n<div class=\"wide\">{drawing}</div>\n<figcaption>{caption}</figcaption>\n</figure>"
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
             <title>{}</title><style>{STYLE}\n@media screen and (prefers-color-scheme:dark){{{DARK}}}</style></head>\n\
             <body><main>\n{}</main></body></html>\n",
            self.title, self.body
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
}
