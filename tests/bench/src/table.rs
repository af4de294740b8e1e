//! Tables as Markdown has them.

/// Collects rows, and prints them below a title.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; all but the first are aligned to the right.
    pub fn new(columns: &[&str]) -> Table {
        let heads = columns.iter().map(|column| (*column).to_owned());
        Table {
            rows: vec![heads.collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().map(|cell| (*cell).to_owned()).collect());
    }

    /// Prints the table.
    pub fn print(&self) {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for (at, row) in self.rows.iter().enumerate() {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = width(column);
                match column {
                    0 => format!("{cell:width$}"),
                    _ => format!("{cell:>width$}"),
                }
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if at == 0 {
                let line = (0..row.len()).map(|column| match column {
                    0 => "-".repeat(width(column)),
                    column => "-".repeat(width(column).saturating_sub(1)) + ":",
                });
                println!("| {} |", line.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

/// 1234567 → `1,234,567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// KiB → `1,234 KiB`.
pub fn kib(value: u64) -> String {
    format!("{} KiB", number(value))
}

/// To one place: `12.3 M`.
pub fn millions(value: u64) -> String {
    format!("{:.1} M", value as f64 / 1e6)
}

/// `a / b` to two places, `-` where there is no b.
pub fn ratio(a: u64, b: u64) -> String {
    match b {
        0 => "-".to_owned(),
        _ => format!("{:.2}", a as f64 / b as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let grouped = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ];
        for (value, text) in grouped {
            assert_eq!(number(value), text);
        }
        assert_eq!(millions(29_960_000), "30.0 M");
        assert_eq!(ratio(3, 2), "1.50");
        assert_eq!(ratio(3, 0), "-");
    }
}
