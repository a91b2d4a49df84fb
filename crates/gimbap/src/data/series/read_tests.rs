//! Tests of reading series.

use super::*;

fn table(text: &str, columns: &SeriesColumns) -> Result<SeriesTable> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, text).unwrap();
    SeriesTable::read(path, columns)
}

/// The one series of a table with the default columns.
fn read(text: &str) -> Result<Series> {
    table(text, &SeriesColumns::default()).map(|table| table.series.into_iter().next().unwrap())
}

fn values(names: &[&str]) -> SeriesColumns {
    SeriesColumns { values: names.iter().map(|&name| name.to_owned()).collect(), ..SeriesColumns::default() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
}

#[track_caller]
fn noted(table: &SeriesTable, part: &str) {
    assert!(table.notes.iter().any(|note| note.contains(part)), "`{part}` is not in {:?}", table.notes);
}

#[test]
fn the_default_is_every_column_of_numbers_and_tells_of_the_rest() {
    let text = "\u{feff}5 Minutes,Flow (Veh/5 Minutes),wind,% Observed\r\n04/01/2016 23:55,12,NW,100\r\n04/02/2016 0:00, 1e1 ,SE,99\r\n04/02/2016 0:05,11,,98\r\n";
    let found = table(text, &SeriesColumns::default()).unwrap();
    let series = &found.series[0];
    assert_eq!(series.times, ["04/01/2016 23:55", "04/02/2016 0:00", "04/02/2016 0:05"]);
    assert_eq!(series.names, ["Flow (Veh/5 Minutes)", "% Observed"]);
    assert_eq!(series.values, [12.0, 100.0, 10.0, 99.0, 11.0, 98.0]);
    noted(&found, "left out, for their cells are not numbers: `wind`");
    let chosen = table(text, &values(&["% Observed"])).unwrap().series.remove(0);
    assert_eq!((chosen.values, chosen.names), (vec![100.0, 99.0, 98.0], vec!["% Observed".to_owned()]));
}

#[test]
fn the_time_is_the_first_column_of_times_and_need_not_be_there() {
    // Not the first column, but the first that can be one.
    let found = read("shop,price,day\nA,3,2024-01-01\nA,1,2024-01-02\nA,2,2024-01-03\n").unwrap();
    assert_eq!((found.names, found.times[0].as_str()), (vec!["price".to_owned()], "2024-01-01"));
    // One column of numbers is what is to be forecast.
    let one = table("x\n1\n2\n3\n", &SeriesColumns::default()).unwrap();
    assert_eq!(
        (one.series[0].values.as_slice(), one.series[0].times[2].as_str()),
        (&[1.0, 2.0, 3.0][..], "3")
    );
    noted(&one, "no column of times");
    // Numbers that go up and down are no times.
    assert_eq!(read("a,b\n1,5\n3,6\n2,7\n").unwrap().names, ["a", "b"]);
    let columns = SeriesColumns { time: Some("none".into()), ..SeriesColumns::default() };
    assert_eq!(table("t,x\n1,2\n2,3\n", &columns).unwrap().series[0].names, ["t", "x"]);
}

#[test]
fn a_time_column_that_cannot_be_read_is_refused() {
    let columns = SeriesColumns { time: Some("day".into()), ..SeriesColumns::default() };
    let words =
        ["column `day`, line 2: `tue` is no time", "keep the order of the file with data.time = \"none\""];
    refused(table("x,day\n1,tue\n2,mon\n", &columns), &words);
    // Newest first, with one cell that is no date: in the order of the file it would be learned backwards.
    let days = (1..=9).rev().map(|day| match day {
        5 => "2024-02-30,5\n".to_owned(),
        day => format!("2024-01-0{day},{day}\n"),
    });
    let text = "date,x\n".to_owned() + &days.collect::<String>();
    refused(read(&text), &["column `date`, line 6: `2024-02-30` is"]);
    refused(read(&text.replace("2024-02-30", "n/a")), &["line 6: `n/a` is no time"]);
}

#[test]
fn days_of_work_are_followed_by_days_of_work() {
    let days = ["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09", "2024-01-11", "2024-01-12"];
    let text = "date,x\n".to_owned() + &days.map(|day| format!("{day},1\n")).concat();
    let found = table(&text, &SeriesColumns::default()).unwrap();
    assert_eq!(found.frequency, Some(Frequency::Weekdays));
    noted(&found, "a step is 1 weekday");
    noted(&found, "1 gap of 1 row in all (first before `2024-01-11`)");
    let style = found.style.clone().unwrap();
    let last = found.series[0].clock.last().unwrap();
    let after = |steps| style.write(&Frequency::Weekdays.after(last, steps));
    assert_eq!(
        [after(1), after(2), after(6), after(11)],
        ["2024-01-15", "2024-01-16", "2024-01-22", "2024-01-29"]
    );
    let filled = SeriesColumns { fill: Fill::Last, ..SeriesColumns::default() };
    assert_eq!(table(&text, &filled).unwrap().series[0].times[4], "2024-01-10");
    // With a Saturday among them, days are days.
    let found = table(&(text + "2024-01-13,1\n"), &SeriesColumns::default()).unwrap();
    assert_eq!(found.frequency, Some(Frequency::Even(86_400.0)));
    assert_eq!(Frequency::parse("weekday").unwrap(), Frequency::Weekdays);
}

#[test]
fn the_calendar_has_the_seasons() {
    let of = |written: &str| Frequency::parse(written).unwrap().seasons();
    assert_eq!([of("1h"), of("15min"), of("1d")], [vec![24, 168], vec![96, 672], vec![7, 365]]);
    assert_eq!([of("1w"), of("1mo"), of("3mo")], [vec![52], vec![12], vec![4]]);
    assert_eq!([of("weekday"), of("1y"), of("7h")], [vec![5], vec![], vec![24]]);
    let season = |f: &dyn Fn(usize) -> f64, written: &str| {
        let values: Vec<f64> = (0..600).map(f).collect();
        super::super::season_of_calendar(&values, 1, &Frequency::parse(written).unwrap())
    };
    let wave = |t: usize, length: f64| (t as f64 * std::f64::consts::TAU / length).sin();
    // A day upon a year of which one sees little.
    assert_eq!(season(&|t| wave(t, 24.0) + 5.0 * wave(t, 8766.0), "1h"), Some(24));
    assert_eq!(season(&|t| wave(t, 7.0), "1d"), Some(7));
    assert_eq!(season(&|t| wave(t, 9.3), "1d"), None);
    assert_eq!(season(&|_| 3.0, "1d"), None);
}

#[test]
fn true_and_false_are_1_and_0() {
    let columns = SeriesColumns { known: vec!["holiday".into()], ..SeriesColumns::default() };
    let found = table("date,x,holiday\n2024-01-01,5,True\n2024-01-02,6,False\n", &columns).unwrap();
    assert_eq!(found.series[0].values, [5.0, 1.0, 6.0, 0.0]);
}

#[test]
fn newest_first_and_out_of_order() {
    let found = table("t,x\n2024-01-03,3\n2024-01-02,2\n2024-01-01,1\n", &SeriesColumns::default()).unwrap();
    assert_eq!(found.series[0].values, [1.0, 2.0, 3.0]);
    noted(&found, "newest first");
    // By time, not by text.
    let found =
        table("t,x\n2024-01-01 9:30,1\n2024-01-01 10:30,2\n2024-01-01 8:30,0\n", &SeriesColumns::default())
            .unwrap();
    assert_eq!(found.series[0].values, [0.0, 1.0, 2.0]);
    noted(&found, "not in order of time (first line 4)");
}

#[test]
fn rows_at_one_time() {
    let text = "t,x\n2024-01-01,1\n2024-01-02,2\n2024-01-02,4\n2024-01-03,3\n";
    refused(
        table(text, &SeriesColumns::default()),
        &[
            "1 time comes more than once",
            "`2024-01-02` on lines 3 and 4",
            "data.id",
            "data.doubles = \"mean\"",
        ],
    );
    for (doubles, second) in [(Doubles::Mean, 3.0), (Doubles::First, 2.0), (Doubles::Last, 4.0)] {
        let found = table(text, &SeriesColumns { doubles, ..SeriesColumns::default() }).unwrap();
        assert_eq!(found.series[0].values, [1.0, second, 3.0], "{doubles:?}");
        noted(&found, "1 time comes more than once (first `2024-01-02` on lines 3 and 4)");
    }
}

#[test]
fn several_series_below_one_another() {
    let text = "date,store,sales\n2024-01-01,b,1\n2024-01-02,b,2\n2024-01-01,a,10\n2024-01-02,a,20\n2024-01-03,b,3\n";
    refused(table(text, &SeriesColumns::default()), &["data.id"]);
    let columns = SeriesColumns { id: Some("store".into()), ..SeriesColumns::default() };
    let found = table(text, &columns).unwrap();
    let of = |n: usize| (found.series[n].id.as_deref(), found.series[n].values.clone());
    assert_eq!([of(0), of(1)], [(Some("b"), vec![1.0, 2.0, 3.0]), (Some("a"), vec![10.0, 20.0])]);
    noted(&found, "2 series, by `store`");
}

#[test]
fn gaps_and_missing_cells() {
    let text = "t,x\n2024-01-01,1\n2024-01-02,2\n2024-01-05,5\n2024-01-06,\n2024-01-07,9\n";
    refused(table(text, &SeriesColumns::default()), &["line 5, column `x`: the cell is empty", "data.fill"]);
    let of = |fill| table(text, &SeriesColumns { fill, ..SeriesColumns::default() }).unwrap();
    let last = of(Fill::Last);
    assert_eq!(last.series[0].values, [1.0, 2.0, 2.0, 2.0, 5.0, 5.0, 9.0]);
    assert_eq!(last.series[0].times[2..4], ["2024-01-03", "2024-01-04"]);
    assert_eq!(last.series[0].observed, [true, true, false, false, true, false, true]);
    noted(&last, "1 gap of 2 rows in all (first before `2024-01-05`): filled with the last value");
    noted(&last, "1 cell without a value (first line 5, column `x`)");
    assert_eq!(of(Fill::Linear).series[0].values, [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0]);
    let mask = of(Fill::Mask);
    assert_eq!(mask.series[0].names, ["x", OBSERVED]);
    assert_eq!(mask.series[0].values[4..12], [2.0, 0.0, 2.0, 0.0, 5.0, 1.0, 5.0, 0.0]);
    // Nothing is filled unless asked for: told.
    let open = table("t,x\n1,1\n2,2\n3,3\n6,5\n6.5,6\n", &SeriesColumns::default()).unwrap();
    assert_eq!(open.series[0].values, [1.0, 2.0, 3.0, 5.0, 6.0]);
    noted(&open, "1 gap of 2 rows in all (first before `6`): the rows on both sides stand side by side");
    noted(&open, "1 row is not a whole number of steps");
    refused(
        table("t,x\n1,1\n2,2\n3,5\n3.5,6\n", &SeriesColumns { fill: Fill::Last, ..SeriesColumns::default() }),
        &["`3.5` is no whole number of steps of 1", "data.frequency"],
    );
    // The first value stands for those before it; a year too many is no gap.
    let early =
        table("t,x\n1,\n2,7\n3,8\n", &SeriesColumns { fill: Fill::Linear, ..SeriesColumns::default() })
            .unwrap();
    assert_eq!(early.series[0].values, [7.0, 7.0, 8.0]);
    let far = "t,x\n2024-01-01,1\n2024-01-02,2\n9024-01-03,3\n";
    refused(
        table(far, &SeriesColumns { fill: Fill::Last, ..SeriesColumns::default() }),
        &["is a time wrong"],
    );
}

#[test]
fn months_follow_each_other_evenly() {
    let text = "month,passengers\n1949-01,112\n1949-02,118\n1949-04,129\n1949-05,121\n1949-06,135\n";
    let found = table(text, &SeriesColumns { fill: Fill::Linear, ..SeriesColumns::default() }).unwrap();
    assert_eq!(found.frequency, Some(Frequency::Months(1)));
    assert_eq!((found.series[0].times[2].as_str(), found.series[0].values[2]), ("1949-03", 123.5));
}

#[test]
fn columns_have_parts() {
    let text =
        "t,load,wind,plan\n2024-01-01 00:00,1,10,100\n2024-01-01 06:00,2,20,200\n2024-01-01 12:00,,,300\n";
    let columns = SeriesColumns {
        values: vec!["load".into()],
        past: vec!["wind".into()],
        known: vec!["plan".into()],
        calendar: vec![Calendar::Hour],
        ..SeriesColumns::default()
    };
    let found = table(text, &columns).unwrap().series.remove(0);
    assert_eq!(found.names, ["load", "wind", "plan", "hour_sin", "hour_cos"]);
    assert_eq!(found.roles, Roles { values: 1, past: 1, known: 3 });
    let near = |found: &[f64], wanted: &[f64]| {
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12)
    };
    assert!(
        near(&found.values, &[1.0, 10.0, 100.0, 0.0, 1.0, 2.0, 20.0, 200.0, 1.0, 0.0]),
        "{:?}",
        found.values
    );
    // Six in the evening is not there yet, but noon's plan is.
    assert!(near(&found.ahead, &[300.0, 0.0, -1.0]), "{:?}", found.ahead);
    let twice = SeriesColumns { known: vec!["load".into()], ..columns.clone() };
    refused(table(text, &twice), &["the column `load` has two parts"]);
    let numbers = SeriesColumns { calendar: vec![Calendar::Hour], ..SeriesColumns::default() };
    refused(table("t,x\n1,2\n2,3\n", &numbers), &["data.calendar", "no column of dates"]);
}

#[test]
fn a_column_of_numbers_is_one_whatever_its_first_cell() {
    for mark in [".", "#N/A", "NA", "-"] {
        let text = format!("t,flow,temp\n1,1,{mark}\n2,2,3\n3,3,4\n");
        refused(read(&text), &["line 2, column `temp`: the value is missing"]);
        let columns = SeriesColumns { fill: Fill::Last, ..SeriesColumns::default() };
        assert_eq!(table(&text, &columns).unwrap().series[0].values, [1.0, 3.0, 2.0, 3.0, 3.0, 4.0]);
    }
    refused(read("t,x\n1,high\n2,2\n3,3\n"), &["line 2, column `x`: `high` is not a number"]);
}

#[test]
fn bad_series() {
    refused(read("t,x,y\n1,2,3\n2,2,inf\n"), &["a.csv, line 3, column `y`: inf is not a finite"]);
    refused(read("t,x,y\n1,2,NA\n2,2,3\n"), &["line 2, column `y`: the value is missing (`NA`)"]);
    refused(read("t,x\n1,2\n2,2;5\n3,4\n"), &["line 3, column `x`: `2;5` is not a number"]);
    refused(read("t,x\n1,2\n2\n"), &["line 3: 1 cell"]);
    refused(read("t,w\nx,calm\n"), &["no column of numbers", "`t`, `w`"]);
    refused(table("t,flow\n1,2\n", &values(&["flaw"])), &["no column `flaw`", "did you mean `flow`?"]);
    refused(read("t,x\n"), &["a header and no row"]);
    refused(read(""), &["the file is empty"]);
}

#[test]
fn a_table_without_a_header_is_read_by_the_numbers_of_its_columns() {
    let text = "2024-01-01,5,1.5\n2024-01-02,6,2.5\n2024-01-03,7,3.5\n";
    let header = Some(false);
    let found = table(text, &SeriesColumns { header, ..SeriesColumns::default() }).unwrap();
    assert_eq!(
        (found.time.as_deref(), &found.series[0].names[..]),
        (Some("1"), &["2".into(), "3".into()][..])
    );
    assert_eq!(found.series[0].values, [5.0, 1.5, 6.0, 2.5, 7.0, 3.5]);
    let columns = SeriesColumns { header, ..values(&["3"]) };
    assert_eq!(table(text, &columns).unwrap().series[0].values, [1.5, 2.5, 3.5]);
    let numbers = table("5\n6\n7\n", &SeriesColumns { header, ..SeriesColumns::default() }).unwrap();
    assert_eq!(numbers.series[0].values, [5.0, 6.0, 7.0]);
}

#[test]
fn a_column_that_counts_the_rows_is_passed_over() {
    for name in ["", "index", "Unnamed: 0"] {
        let text = format!("{name},when,value\n0,2000-01-01,5\n1,2000-01-02,4\n2,2000-01-03,6\n");
        for time in [None, Some("when".to_owned())] {
            let columns =
                SeriesColumns { time, calendar: vec![Calendar::Weekday], ..SeriesColumns::default() };
            let found = table(&text, &columns).unwrap();
            assert_eq!(found.time.as_deref(), Some("when"));
            assert_eq!(found.series[0].names, ["value", "weekday_sin", "weekday_cos"]);
            noted(&found, "counts the rows: it is passed over");
        }
    }
    let found = table(",t,x\n1,3,7\n2,4,5\n3,5,7\n", &SeriesColumns::default()).unwrap();
    assert_eq!((found.time.as_deref(), &found.series[0].names[..]), (Some("t"), &["x".to_owned()][..]));
    noted(&found, "column 1 (without a name) counts");
    // Numbers that go on otherwise are a time, called by its place.
    noted(
        &table(",x\n2,7\n4,5\n6,7\n", &SeriesColumns::default()).unwrap(),
        "time: 1 (without a name), a step is 2",
    );
}

#[test]
fn dates_and_times_of_day_in_two_columns() {
    let text = "Date,Time,x\n1/31/2024,23:00,1\n1/31/2024,23:30,2\n2/1/2024,0:00,3\n";
    let found = table(text, &SeriesColumns::default()).unwrap();
    assert_eq!(found.frequency, Some(Frequency::Even(1800.0)));
    assert_eq!(
        (found.series[0].times[1].as_str(), &found.series[0].names[..]),
        ("1/31/2024 23:30", &["x".to_owned()][..])
    );
    noted(&found, "the time is `Date` and `Time` together");
    let text = "date,hour,x\n2024-01-31,22,1\n2024-01-31,23,2\n2024-02-01,0,3\n";
    let columns = SeriesColumns { time: Some("date".into()), ..SeriesColumns::default() };
    let found = table(text, &columns).unwrap().series.remove(0);
    assert_eq!((found.times[2].as_str(), &found.names[..]), ("2024-02-01 00:00", &["x".to_owned()][..]));
}

#[test]
fn a_column_that_nearly_is_one_of_times_is_refused() {
    let text = "date,symbol,x\n2024-01-01,A,1\n2024-01-01,B,2\n2024-01-02,A,3\n2024-01-02,B,3\nTotal,A,9\n";
    refused(
        read(text),
        &["column `date`, line 6: `Total` is no time", "`symbol` tells the rows of one date apart"],
    );
    let none = SeriesColumns { time: Some("none".into()), ..SeriesColumns::default() };
    assert_eq!(table(text, &none).unwrap().series[0].len(), 5);
    let columns = SeriesColumns { calendar: vec![Calendar::Hour], ..SeriesColumns::default() };
    refused(table("x,y\n1,2\n3,1\n2,2\n", &columns), &["no column of dates: name it with data.time"]);
    refused(
        read(&text.replace("Total,A,9\n", "")),
        &["`symbol` tells the rows of one time apart", "data.id"],
    );
    let undecided = read("date,x\n03/01/2024,1\n04/01/2024,2\n");
    refused(undecided, &["whether `03/01/2024` has its day or its month first cannot be told"]);
    let even = table("date,x\n03/01/24,1\n04/01/24,2\n05/01/24,2\n06/01/24,2\n", &SeriesColumns::default());
    noted(&even.unwrap(), "`03/01/24` is read as 2024-01-03");
}

#[test]
fn seconds_since_1970_have_a_calendar() {
    for zeros in ["", "000"] {
        let text = format!("t,x\n1700006400{zeros},1\n1700010000{zeros},2\n1700013600{zeros},1\n");
        let columns = SeriesColumns { calendar: vec![Calendar::Hour], ..SeriesColumns::default() };
        let found = table(&text, &columns).unwrap();
        assert_eq!(found.frequency, Some(Frequency::Even(3600.0)));
        assert_eq!(found.series[0].clock[0].clock.unwrap().hour(), 0);
        noted(&found, "seconds since 1970");
    }
}

#[test]
fn times_are_rounded_to_the_frequency_that_is_given() {
    let text = "t,x\n2024-01-01 12:00:03,1\n2024-01-01 12:30:01,2\n2024-01-01 13:29:58,4\n";
    let of = |text: &str, frequency: Option<&str>| {
        let frequency = frequency.map(str::to_owned);
        table(text, &SeriesColumns { fill: Fill::Linear, frequency, ..SeriesColumns::default() })
    };
    let found = of(text, Some("30min")).unwrap();
    assert_eq!(found.series[0].values, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(found.series[0].times[2..], ["2024-01-01 13:00:00", "2024-01-01 13:30:00"]);
    noted(&found, "rounded to the steps of data.frequency: 3 times (first");
    let far = text.replace("12:30:01", "12:44:00");
    refused(
        of(&far, Some("30min")),
        &["`2024-01-01 12:44:00`", "data.frequency is 30min", "a quarter of a step"],
    );
    refused(of(&far, None), &["set data.frequency"]);
}

#[test]
fn the_time_may_stand_in_columns_of_year_month_day_and_hour() {
    let text = "No,year,month,day,hour,pm\n1,2010,1,31,22,5\n2,2010,1,31,23,6\n3,2010,2,1,0,8\n";
    let found = table(text, &SeriesColumns::default()).unwrap();
    assert_eq!(
        (found.series[0].names.as_slice(), found.series[0].times[2].as_str()),
        (&["pm".into()][..], "2010-02-01 00:00")
    );
    noted(&found, "the time is `year`, `month`, `day` and `hour` together, as in `2010-01-31 22:00`");
    noted(&found, "column `No` counts the rows: it is passed over");
    // As a model that has been trained names it.
    assert_eq!(found.time.as_deref(), Some("year"));
    let again = table(text, &SeriesColumns { time: found.time.clone(), ..SeriesColumns::default() }).unwrap();
    assert_eq!(again.series[0].times, found.series[0].times);
    let months =
        table("Year,Month,x\n2010,12,1\n2011,1,2\n2011,2,3\n2011,3,5\n2011,4,8\n", &SeriesColumns::default())
            .unwrap();
    assert_eq!((months.series[0].names.len(), months.frequency), (1, Some(Frequency::Months(1))));
    // Numbers that are no months are numbers.
    let none = table("year,month,x\n2010,13,1\n2011,14,2\n", &SeriesColumns::default()).unwrap();
    assert_eq!(none.series[0].names, ["month", "x"]);
}

#[test]
fn what_is_no_number_is_named() {
    refused(
        table("date,x\n2024-01-01,1 kg\n2024-01-02,2 kg\n", &SeriesColumns::default()),
        &["no column of numbers beside the time column `date`", "column `x` holds `1 kg` on line 2"],
    );
}
