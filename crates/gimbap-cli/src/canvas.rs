//! Drawing: an SVG picture piece by piece, readable on light and dark grounds, small where a matrix is large.

use std::fmt::Write;

use crate::svg::escaped;

/// What the classes of all pictures look like; in a page and in a picture of its own.
pub const STYLE: &str = include_str!("style.css");
/// The shades of a matrix: a cell's value over the largest.
const SHADES: usize = 16;

/// The classes of curves that are told apart, and of the dots and names that go with each.
pub const CURVES: [(&str, &str); 5] =
    [("curve", "pos"), ("other", "neg"), ("third", "green"), ("fourth", "violet"), ("fifth", "dim")];

/// A picture in the making.
#[derive(Debug)]
pub struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its start is there.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Canvas {
    /// An empty one.
    pub fn new(width: f64, height: f64) -> Self {
        Canvas { width, height, body: String::new() }
    }

    /// A text in a class of [`STYLE`].
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let text = escaped(text);
        let _ =
            writeln!(self.body, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\"{anchor}>{text}</text>");
    }

    /// A text that climbs to its place.
    pub fn climbing(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let text = escaped(text);
        let place = format!("translate({x:.1} {y:.1}) rotate(-60)");
        let _ = writeln!(
            self.body,
            "<text transform=\"{place}\" class=\"{class}\" text-anchor=\"end\">{text}</text>"
        );
    }

    /// A rectangle.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"/>"
        );
    }

    /// A path.
    pub fn path(&mut self, d: &str, class: &str) {
        let _ = writeln!(self.body, "<path d=\"{d}\" class=\"{class}\"/>");
    }

    /// A line through points.
    pub fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if !points.is_empty() {
            self.path(&format!("M{}", points.join("L")), class);
        }
    }

    /// A line from place to place.
    pub fn line(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64), class: &str) {
        self.path(&format!("M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}"), class);
    }

    /// A line with a head at its end, as thick as said.
    pub fn arrow(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64), thick: f64) {
        let (dx, dy) = (to_x - x, to_y - y);
        let length = dx.hypot(dy).max(1e-9);
        let (ux, uy) = (dx / length, dy / length);
        let head = (3.0 + thick).min(length);
        let (bx, by) = (to_x - head * ux, to_y - head * uy);
        let (wx, wy) = (-uy * head * 0.6, ux * head * 0.6);
        let _ = writeln!(
            self.body,
            "<path d=\"M{x:.1} {y:.1}L{bx:.1} {by:.1}\" class=\"arrow\" stroke-width=\"{thick:.1}\"/>\
             <path d=\"M{to_x:.1} {to_y:.1}L{:.1} {:.1}L{:.1} {:.1}z\" class=\"head\"/>",
            bx + wx,
            by + wy,
            bx - wx,
            by - wy
        );
    }

    /// A dot.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, class: &str) {
        let _ =
            writeln!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"{class}\"/>");
    }

    /// A matrix, its rows below one another: above zero in one colour, below in another, the stronger the larger beside
    /// `largest`.
    pub fn matrix(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), largest: f64, rows: &[Vec<f64>]) {
        let mut shades = vec![String::new(); 2 * SHADES];
        for (i, row) in rows.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                let shade = (value.abs() / largest * SHADES as f64).round();
                if shade.is_nan() || shade < 1.0 {
                    continue;
                }
                let shade = (shade as usize).min(SHADES) - 1 + if *value < 0.0 { SHADES } else { 0 };
                let place = (x + j as f64 * w, y + i as f64 * h);
                let _ = write!(shades[shade], "M{:.1} {:.1}h{w:.1}v{h:.1}h-{w:.1}z", place.0, place.1);
            }
        }
        for (shade, d) in shades.iter().enumerate().filter(|(_, d)| !d.is_empty()) {
            let class = if shade < SHADES { "pos" } else { "neg" };
            let opacity = (shade % SHADES + 1) as f64 / SHADES as f64;
            let _ = writeln!(self.body, "<path d=\"{d}\" class=\"{class}\" fill-opacity=\"{opacity:.2}\"/>");
        }
    }

    /// A matrix with its values written into the cells.
    pub fn written_matrix(
        &mut self,
        (x, y): (f64, f64),
        (w, h): (f64, f64),
        largest: f64,
        rows: &[Vec<f64>],
        write: impl Fn(f64) -> String,
    ) {
        self.matrix((x, y), (w, h), largest, rows);
        for (i, row) in rows.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                let place = (x + (j as f64 + 0.5) * w, y + (i as f64 + 0.5) * h + 3.5);
                // On a strong shade in the colour of the ground.
                let class = if value.abs() > 0.7 * largest { "ground figures" } else { "ink figures" };
                self.text(place, Anchor::Middle, class, &write(*value));
            }
        }
    }

    /// Anything else.
    pub fn raw(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    /// The picture, as it stands in a page; `id` makes the names within it its own.
    pub fn finish(&self, id: &str, title: &str, description: &str) -> String {
        let Canvas { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-labelledby=\"{id}-t\">\n<title id=\"{id}-t\">{}</title>\n\
             <desc id=\"{id}-d\">{}</desc>\n{body}</svg>\n",
            escaped(title),
            escaped(description)
        )
    }
}

/// A picture of a page as a file of its own.
pub fn alone(svg: &str) -> String {
    // What moves in a page stands still here.
    let style = format!(
        "<style>{STYLE}svg .button{{display:none}}\n</style>\n<rect width=\"100%\" height=\"100%\" class=\"ground\"/>\n"
    );
    match svg.find("<title") {
        Some(at) => format!("{}{style}{}", &svg[..at], &svg[at..]),
        None => svg.to_string(),
    }
}

/// The largest size among values, 1 if all are zero.
pub fn largest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    let largest = values.into_iter().map(|x| x.abs()).filter(|x| x.is_finite()).fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_a_path_for_each_shade() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.matrix((0.0, 0.0), (2.0, 2.0), 1.0, &[vec![1.0, -1.0, 0.0], vec![1.0, f64::NAN, 0.5]]);
        assert_eq!(canvas.body.matches("<path").count(), 3);
        assert_eq!(canvas.body.matches('M').count(), 4);
        assert!(canvas.body.contains("class=\"neg\" fill-opacity=\"1.00\""));
    }

    #[test]
    fn written_values_are_read_on_every_shade() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.written_matrix((0.0, 0.0), (2.0, 2.0), 1.0, &[vec![1.0, 0.0]], |x| format!("{x}"));
        assert!(
            canvas.body.contains("class=\"ground figures\" text-anchor=\"middle\">1</text>"),
            "{}",
            canvas.body
        );
        assert!(
            canvas.body.contains("class=\"ink figures\" text-anchor=\"middle\">0</text>"),
            "{}",
            canvas.body
        );
    }

    #[test]
    fn a_picture_alone_has_its_style_and_its_name() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.text((1.0, 2.0), Anchor::End, "ink", "<&>");
        let svg = alone(&canvas.finish("f1", "a < b", "c"));
        assert!(svg.contains("<style>") && svg.contains("<title id=\"f1-t\">a &lt; b</title>"), "{svg}");
        assert!(svg.contains("text-anchor=\"end\">&lt;&amp;&gt;</text>"), "{svg}");
    }
}
