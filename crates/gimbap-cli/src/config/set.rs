//! `--set a.b=v`: edits the document before it is read.

use std::str::FromStr;

use toml_edit::{DocumentMut, Item, Table, Value};

/// How a layer is added.
const ADDS: &str = "`layer.+={type=\"lstm\", units=64}` adds one at the end";

/// Puts `value` at `path` (`train.epochs`, `layer.0.units`), making tables on the way. `layer.+`, or one past the last,
/// adds a layer, `layer` replaces all of them, and `layer.1.bidirectional` wraps one.
pub(super) fn put(document: &mut DocumentMut, path: &str, value: Value) -> Result<(), String> {
    let parts: Vec<&str> = path.split('.').map(str::trim).collect();
    if parts.iter().any(|p| p.is_empty()) {
        return Err(format!("`{path}` is no key: write it as `train.epochs`"));
    }
    put_item(document.as_item_mut(), &parts, path, value)
}

fn put_item(item: &mut Item, parts: &[&str], path: &str, value: Value) -> Result<(), String> {
    let [first, rest @ ..] = parts else {
        match item.as_value_mut() {
            // The old value's spaces and comment stay.
            Some(old) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            None => *item = Item::Value(value),
        }
        return Ok(());
    };
    match item {
        Item::ArrayOfTables(tables) => {
            let n = tables.len();
            let index = match *first {
                "+" => n,
                index => parse_index(index, n, path)?,
            };
            if index == n {
                let Value::InlineTable(whole) = &value else { return Err(no_such(path, first, n)) };
                if !rest.is_empty() {
                    return Err(no_such(path, first, n));
                }
                tables.push(whole.clone().into_table());
                return Ok(());
            }
            let table = tables.get_mut(index).ok_or_else(|| no_such(path, first, n))?;
            if let (true, Value::InlineTable(whole)) = (rest.is_empty(), &value) {
                let position = table.position();
                *table = whole.clone().into_table();
                table.set_position(position);
                return Ok(());
            }
            if let ["bidirectional"] = rest {
                return wrap(table, path, &value);
            }
            // The options of a layer that was wrapped are those of the one within.
            if is_bidirectional(table)
                && !matches!(rest.first(), None | Some(&("type" | "layer" | "merge")))
                && let Some(inner) = table.get_mut("layer")
            {
                return put_item(inner, rest, path, value);
            }
            put_in_table(table, rest, path, value)
        }
        Item::Table(table) => put_in_table(table, parts, path, value),
        Item::Value(Value::InlineTable(table)) => {
            let slot = table.entry(*first).or_insert(Value::InlineTable(toml_edit::InlineTable::new()));
            put_value(slot, rest, path, value)
        }
        Item::Value(Value::Array(array)) => {
            let n = array.len();
            let index = parse_index(first, n, path)?;
            let slot = array.get_mut(index).ok_or_else(|| no_such(path, first, n))?;
            put_value(slot, rest, path, value)
        }
        Item::None => {
            *item = Item::Table(Table::new());
            put_item(item, parts, path, value)
        }
        Item::Value(_) => Err(format!("`{path}`: what stands before `{first}` is a value, not a table")),
    }
}

fn is_bidirectional(layer: &Table) -> bool {
    layer.get("type").and_then(Item::as_str) == Some("bidirectional")
}

/// Puts a recurrent layer into a bidirectional one, or takes it out again.
fn wrap(layer: &mut Table, path: &str, value: &Value) -> Result<(), String> {
    let Some(wanted) = value.as_bool() else {
        return Err(format!("`{path}`: expected true or false, found {}", value.to_string().trim()));
    };
    if wanted == is_bidirectional(layer) {
        return Ok(());
    }
    let position = layer.position();
    *layer = match wanted {
        true => {
            let inner = std::mem::take(layer).into_inline_table();
            let mut outer = Table::new();
            outer.insert("type", Item::Value("bidirectional".into()));
            outer.insert("layer", Item::Value(Value::InlineTable(inner)));
            outer
        }
        false => match layer.remove("layer").map(Item::into_table) {
            Some(Ok(inner)) => inner,
            _ => return Err(format!("`{path}`: there is no layer within")),
        },
    };
    layer.set_position(position);
    Ok(())
}

fn put_in_table(table: &mut Table, parts: &[&str], path: &str, value: Value) -> Result<(), String> {
    let [first, rest @ ..] = parts else {
        return Err(format!("`{path}` is a whole table: name one of its keys"));
    };
    let slot = table.entry(first).or_insert(Item::None);
    if let (true, true, Value::Array(whole)) = (rest.is_empty(), slot.is_array_of_tables(), &value) {
        let tables: Option<Vec<Table>> =
            whole.iter().map(|table| Some(table.as_inline_table()?.clone().into_table())).collect();
        let tables =
            tables.ok_or_else(|| format!("`{path}`: expected a list of tables such as {{type=\"gru\"}}"))?;
        *slot = Item::ArrayOfTables(tables.into_iter().collect());
        return Ok(());
    }
    if rest.is_empty() && (slot.is_array_of_tables() || slot.is_table()) && !value.is_inline_table() {
        return Err(format!("`{path}` is a whole table: name one of its keys"));
    }
    put_item(slot, rest, path, value)
}

fn put_value(slot: &mut Value, rest: &[&str], path: &str, value: Value) -> Result<(), String> {
    let mut item = Item::Value(slot.clone());
    put_item(&mut item, rest, path, value)?;
    match item {
        Item::Value(changed) => *slot = changed,
        _ => return Err(format!("`{path}` is not a value")),
    }
    Ok(())
}

fn parse_index(part: &str, n: usize, path: &str) -> Result<usize, String> {
    part.parse().map_err(|_| no_such(path, part, n))
}

fn no_such(path: &str, part: &str, n: usize) -> String {
    let list = path.split('.').take_while(|p| *p != part).collect::<Vec<_>>().join(".");
    let adds = if list == "layer" { format!("; {ADDS}") } else { String::new() };
    match n {
        _ if part == "+" => format!("`{path}`: an entry is added whole{adds}"),
        0 => format!("`{path}`: `{list}` is empty{adds}"),
        _ => format!("`{path}`: `{list}` has the entries 0 to {}, not `{part}`{adds}", n - 1),
    }
}

/// Splits `a.b=v`; a value that is no TOML is a string if it could not have been meant as anything else.
pub(super) fn parse(text: &str) -> Result<(&str, Value), String> {
    let Some((path, value)) = text.split_once('=') else {
        return Err("write it as KEY=VALUE, such as train.epochs=2".into());
    };
    let value = value.trim();
    match Value::from_str(value) {
        Ok(parsed) => Ok((path.trim(), parsed)),
        Err(e) if value.starts_with(['[', '{', '"', '\'']) => {
            Err(format!("the value is no TOML: {}", e.message().trim()))
        }
        Err(_) => Ok((path.trim(), Value::from(value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, sets: &[&str]) -> String {
        let mut document = DocumentMut::from_str(text).unwrap();
        for set in sets {
            let (path, value) = parse(set).unwrap();
            put(&mut document, path, value).unwrap();
        }
        document.to_string()
    }

    #[test]
    fn a_value_is_replaced_and_its_comment_stays() {
        assert_eq!(edited("[train]\nbatch = 20 # rows\n", &["train.batch=5"]), "[train]\nbatch = 5 # rows\n");
    }

    #[test]
    fn tables_are_made_layers_are_counted_and_inline_tables_are_reached() {
        let text =
            "[[layer]]\ntype = \"lstm\"\nunits = 4\n[train]\noptimizer = { type = \"sgd\", rate = 1.0 }\n";
        let new = edited(
            text,
            &["layer.0.units=64", "train.optimizer.rate=0.5", "data.unit=word", "train.bptt=[10,20]"],
        );
        let parsed: toml::Table = toml::from_str(&new).unwrap();
        assert_eq!(parsed["layer"][0]["units"].as_integer(), Some(64));
        assert_eq!(parsed["train"]["optimizer"]["rate"].as_float(), Some(0.5));
        assert_eq!(parsed["data"]["unit"].as_str(), Some("word"));
        assert_eq!(parsed["train"]["bptt"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_path_with_dots_and_slashes_is_a_string() {
        assert_eq!(parse("data.path=../a b.txt").unwrap().1.as_str(), Some("../a b.txt"));
        assert!(parse("train.bptt=[1,").is_err());
        assert!(parse("train.bptt").is_err());
    }

    #[test]
    fn a_whole_layer_can_be_replaced() {
        let text = "[[layer]]\ntype = \"lstm\"\nunits = 4\n\n[[layer]]\ntype = \"dense\"\n";
        let new = edited(text, &["layer.0={type=\"gru\", units=3}"]);
        let parsed: toml::Table = toml::from_str(&new).unwrap();
        assert_eq!(parsed["layer"][0]["type"].as_str(), Some("gru"));
        assert_eq!(parsed["layer"][1]["type"].as_str(), Some("dense"));
    }

    /// The layers after some edits, in JSON.
    fn layers(sets: &[&str]) -> String {
        let text =
            "[[layer]]\ntype = \"lstm\"\nunits = 4\n\n[[layer]]\ntype = \"dense\"\n[train]\nepochs = 1\n";
        let parsed: toml::Table = toml::from_str(&edited(text, sets)).unwrap();
        serde_json::to_string(&parsed["layer"]).unwrap()
    }

    #[test]
    fn a_layer_is_added_behind_the_others() {
        let expected =
            r#"[{"type":"lstm","units":4},{"type":"dense"},{"type":"gru","units":3},{"type":"pool"}]"#;
        assert_eq!(layers(&["layer.+={type=\"gru\",units=3}", "layer.+={type=\"pool\"}"]), expected);
        assert_eq!(
            layers(&["layer.2={type=\"gru\",units=9}", "layer.3={type=\"pool\"}", "layer.2.units=3"]),
            expected
        );
        let all = "layer=[{type=\"lstm\",units=4},{type=\"dense\"},{type=\"gru\",units=3},{type=\"pool\"}]";
        assert_eq!(layers(&[all]), expected);
    }

    #[test]
    fn a_layer_is_made_bidirectional_and_keeps_its_options() {
        let wrapped = r#"[{"layer":{"type":"lstm","units":4},"type":"bidirectional"},{"type":"dense"}]"#;
        assert_eq!(layers(&["layer.0.bidirectional=true"]), wrapped);
        assert_eq!(layers(&["layer.0.bidirectional=true", "layer.0.bidirectional=true"]), wrapped);
        let options = ["layer.0.bidirectional=true", "layer.0.units=7", "layer.0.merge=sum"];
        assert_eq!(
            layers(&options),
            r#"[{"layer":{"type":"lstm","units":7},"merge":"sum","type":"bidirectional"},{"type":"dense"}]"#
        );
        assert_eq!(layers(&["layer.0.bidirectional=true", "layer.0.bidirectional=false"]), layers(&[]));
        let mut document = DocumentMut::from_str("[[layer]]\ntype = \"lstm\"\n").unwrap();
        assert!(
            put(&mut document, "layer.0.bidirectional", Value::from(1))
                .unwrap_err()
                .contains("true or false")
        );
    }

    #[test]
    fn a_layer_that_is_not_there_is_named() {
        let mut document = DocumentMut::from_str("[[layer]]\ntype = \"lstm\"\n").unwrap();
        let error = put(&mut document, "layer.3.units", Value::from(1)).unwrap_err();
        assert!(error.contains("entries 0 to 0") && error.contains("`layer.+={type="), "{error}");
        for part in ["layer.1.units", "layer.+.units", "layer.+"] {
            let error = put(&mut document, part, Value::from(1)).unwrap_err();
            assert!(error.contains("`layer.+={type=\"lstm\", units=64}`"), "{error}");
        }
        assert!(put(&mut document, "layer", Value::from(1)).is_err());
    }
}
