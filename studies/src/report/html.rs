//! Pieces of a self-contained, printable HTML page: one file without scripts and external resources.

use std::fmt::Write;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.7rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.4rem;border-bottom:1px solid #ccc}\
figure{margin:1.2rem 0;break-inside:avoid}svg{width:100%;height:auto}figcaption{font-size:.93rem;color:#333}\
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{border:1px solid #bbb;padding:.35rem .5rem;text-align:left;\
vertical-align:top;overflow-wrap:break-word}.good,.bad,.none,.number{white-space:nowrap}th{background:#f2f2f2}tr{break-inside:avoid}\
.good{background:#dcf2e0;font-weight:600}.bad{background:#f9d4cf;font-weight:700}.none{background:#eee}\
code,pre{font:.88rem ui-monospace,monospace;background:#f5f5f5;padding:.1rem .25rem}pre{padding:.6rem;white-space:pre-wrap}\
@media print{body{margin:0;max-width:none;font-size:11pt}.good,.bad,.none,th{print-color-adjust:exact}}";

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

    /// Adds an inline SVG document with a caption.
    pub fn figure(&mut self, svg: &str, caption: &str) {
        // An inline drawing needs neither a namespace nor a prologue.
        let start = svg.find("<svg").unwrap_or(0);
        let drawing = svg[start..].replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
        let caption = escaped(caption);
        let _ = writeln!(self.body, "<figure>\n{drawing}\n<figcaption>{caption}</figcaption>\n</figure>");
    }

    /// Adds a table; each cell is a text and a class (`good`, `bad`, `none`, `number` for text without line breaks,
    /// or empty).
    pub fn table(&mut self, header: &[&str], rows: &[Vec<(String, &str)>]) {
        let head: String = header.iter().map(|h| format!("<th>{}</th>", escaped(h))).collect();
        let _ = writeln!(self.body, "<table>\n<thead><tr>{head}</tr></thead>\n<tbody>");
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
        self.body.push_str("</tbody></table>\n");
    }

    /// Returns the document.
    pub fn finish(self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{}</title><style>{STYLE}</style></head>\n<body>\n{}</body></html>\n",
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
        for text in
            ["<title>a &lt; b</title>", "<svg width=\"1\"><g/>", "x &amp; y", "<td class=\"bad\">&lt;script&gt;"]
        {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("http") && !html.contains("<script"));
    }
}
