//! How do lines look on a page without any script? As SVG with a viewBox, axes and a legend.

use std::fmt::Write as _;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;
/// Told apart without colour, too: each has a dash pattern of its own.
const INKS: [(&str, &str); 6] = [
    ("#0b5394", "none"),
    ("#b45f06", "6 3"),
    ("#38761d", "2 3"),
    ("#741b47", "8 3 2 3"),
    ("#555555", "12 4"),
    ("#990000", "1 4"),
];

/// A line with its name.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Axes: what is on them, and the ticks with their words.
pub(super) struct Axes<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) x_ticks: Vec<(f64, String)>,
    pub(super) y_ticks: Vec<(f64, String)>,
}

/// Draws lines; axes go from the first tick to the last.
pub(super) fn lines(axes: &Axes<'_>, lines: &[Line]) -> String {
    let span = |ticks: &[(f64, String)]| {
        let first = ticks.first().map_or(0.0, |tick| tick.0);
        (
            first,
            ticks.last().map_or(1.0, |tick| tick.0).max(first + 1e-9),
        )
    };
    let (x, y) = (span(&axes.x_ticks), span(&axes.y_ticks));
    let across = |value: f64| {
        let share = ((value - x.0) / (x.1 - x.0)).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let down = |value: f64| {
        let share = ((value - y.0) / (y.1 - y.0)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(axes.title)
    );
    let floor = HEIGHT - BOTTOM;
    for (value, word) in &axes.x_ticks {
        let at = across(*value);
        let _ = write!(
            svg,
            "<line class=grid x1={at:.1} y1={TOP} x2={at:.1} y2={floor}/>\
             <text x={at:.1} y={:.1} text-anchor=middle>{}</text>",
            floor + 15.0,
            escaped(word)
        );
    }
    let wall = WIDTH - RIGHT;
    for (value, word) in &axes.y_ticks {
        let at = down(*value);
        let _ = write!(
            svg,
            "<line class=grid x1={LEFT} y1={at:.1} x2={wall} y2={at:.1}/>\
             <text x={:.1} y={:.1} text-anchor=end>{}</text>",
            LEFT - 5.0,
            at + 4.0,
            escaped(word)
        );
    }
    let _ = write!(
        svg,
        "<text x={:.1} y={:.1} text-anchor=middle>{}</text>\
         <text x=12 y={:.1} text-anchor=middle transform=\"rotate(-90 12 {:.1})\">{}</text>",
        f64::midpoint(LEFT, wall),
        HEIGHT - 6.0,
        escaped(axes.x),
        f64::midpoint(TOP, floor),
        f64::midpoint(TOP, floor),
        escaped(axes.y)
    );
    for (nth, line) in lines.iter().enumerate() {
        let (ink, dash) = INKS[nth % INKS.len()];
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", across(*x), down(*y)))
            .collect();
        let at = TOP + 14.0 * (nth as f64 + 1.0);
        let key = wall + 10.0;
        let _ = write!(
            svg,
            "<polyline fill=none stroke=\"{ink}\" stroke-width=2 stroke-dasharray=\"{dash}\" \
             points=\"{}\"/><line x1={key} y1={:.1} x2={:.1} y2={:.1} stroke=\"{ink}\" \
             stroke-width=2 stroke-dasharray=\"{dash}\"/><text x={:.1} y={at:.1}>{}</text>",
            points.join(" "),
            at - 4.0,
            key + 22.0,
            at - 4.0,
            key + 27.0,
            escaped(&line.name)
        );
    }
    svg.push_str("</svg>");
    // Attributes are quoted throughout: the page is XML as well.
    quoted(&svg)
}

/// Text in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// `x1=4.0` as `x1="4.0"`.
fn quoted(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() + svg.len() / 8);
    let mut in_tag = false;
    let mut in_quotes = false;
    let mut bare = false;
    let mut before = ' ';
    for letter in svg.chars() {
        match letter {
            '<' if !in_quotes => in_tag = true,
            '"' if in_tag => in_quotes = !in_quotes,
            ' ' | '>' | '/' if bare => {
                out.push('"');
                bare = false;
            }
            _ => {}
        }
        if in_tag && !in_quotes && before == '=' && letter != '"' {
            out.push('"');
            bare = true;
        }
        if letter == '>' && !in_quotes {
            in_tag = false;
        }
        out.push(letter);
        before = letter;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_quoted_and_text_is_escaped() {
        assert_eq!(
            quoted("<a x=1 y=\"2 3\" z=4/>b=c"),
            "<a x=\"1\" y=\"2 3\" z=\"4\"/>b=c"
        );
        let axes = Axes {
            title: "a < b",
            x: "x",
            y: "y",
            x_ticks: vec![(0.0, "0".to_owned()), (1.0, "1".to_owned())],
            y_ticks: vec![(0.0, "0".to_owned()), (1.0, "1".to_owned())],
        };
        let line = Line {
            name: "<script>".to_owned(),
            points: vec![(0.0, 0.0), (1.0, 2.0)],
        };
        let svg = lines(&axes, &[line]);
        assert!(!svg.contains("<script>"));
        assert!(svg.contains("a &lt; b"));
    }
}
