//! Pictures as SVG.

use std::fmt::Write;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 720.0;
/// Room around the points, more of it to the right, where labels end.
const MARGIN: f64 = 40.0;
const LABEL: f64 = 90.0;

/// Points with labels on a light background, the same scale on both axes: the same input gives the same bytes.
pub fn scatter(points: &[[f64; 2]], labels: &[String], axes: &[&str; 2]) -> String {
    let range = |axis: usize| {
        let values = points.iter().map(|point| point[axis]);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        (low, values.fold(f64::NEG_INFINITY, f64::max) - low)
    };
    let ((left, wide), (low, high)) = (range(0), range(1));
    let (inner_width, inner_height) = (WIDTH - 2.0 * MARGIN - LABEL, HEIGHT - 2.0 * MARGIN);
    let scale = (inner_width / wide).min(inner_height / high);
    let scale = if scale.is_finite() { scale } else { 1.0 };
    // What an axis does not fill is left free on both sides.
    let x = |value: f64| MARGIN + (inner_width - scale * wide) / 2.0 + scale * (value - left);
    let y = |value: f64| HEIGHT - MARGIN - (inner_height - scale * high) / 2.0 - scale * (value - low);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <path d=\"M0 {y0:.2}H{WIDTH}M{x0:.2} 0V{HEIGHT}\" stroke=\"#e3e3e3\"/>\n",
        x0 = x(0.0),
        y0 = y(0.0),
    );
    svg.push_str("<g fill=\"#3465a4\">\n");
    for &[a, b] in points {
        let _ = writeln!(svg, "<circle cx=\"{:.2}\" cy=\"{:.2}\" r=\"2.5\"/>", x(a), y(b));
    }
    svg.push_str("</g>\n<g fill=\"#222222\">\n");
    for (&[a, b], label) in points.iter().zip(labels) {
        let (x, y) = (x(a) + 4.0, y(b) + 3.5);
        let _ = writeln!(svg, "<text x=\"{x:.2}\" y=\"{y:.2}\">{}</text>", escaped(label));
    }
    let _ = writeln!(
        svg,
        "</g>\n<g fill=\"#777777\" text-anchor=\"middle\">\n\
         <text x=\"{}\" y=\"{}\">{}</text>\n\
         <text transform=\"translate(14 {}) rotate(-90)\">{}</text>\n</g>\n</svg>",
        WIDTH / 2.0,
        HEIGHT - 8.0,
        escaped(axes[0]),
        HEIGHT / 2.0,
        escaped(axes[1]),
    );
    svg
}

/// A text as XML holds it; a character that XML cannot hold is shown as U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_the_picture() {
        assert_eq!(escaped("</text>&\"'\u{1b}é"), "&lt;/text&gt;&amp;&quot;&apos;\u{fffd}é");
        let labels = ["<unk>".to_string(), "b&b".to_string()];
        let svg = scatter(&[[0.0, 1.0], [2.0, -1.0]], &labels, &["x", "y"]);
        assert!(svg.contains(">&lt;unk&gt;</text>") && svg.contains(">b&amp;b</text>"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg, scatter(&[[0.0, 1.0], [2.0, -1.0]], &labels, &["x", "y"]));
    }

    #[test]
    fn points_on_a_line_and_a_single_place_stay_inside() {
        for points in [[[0.0, 0.0], [3.0, 0.0]], [[1.0, 2.0], [1.0, 2.0]]] {
            let svg = scatter(&points, &["a".into(), "b".into()], &["x", "y"]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
