//! The report as one HTML file without scripts. Whatever comes from the journal is text, and escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cardwright::issuance::audit::Report;

use crate::ReportError;
use crate::chart::{self, Bars, thousands};
use crate::day::{Day, duration, minute};
use crate::figures::{Figures, Loads, Outcome, Settled, percentile};

/// Days in the charts.
const MOST_DAYS: i64 = 62;
/// Rows of what is open.
const MOST_OPEN: usize = 500;

/// The whole file.
pub(crate) fn write(title: &str, journal: &str, figures: &Figures, audit: &Report) -> Result<String, ReportError> {
    let mut body = String::new();
    body += &head(title, journal, figures, audit);
    body += &tiles(figures);
    let days = figures.days(MOST_DAYS);
    if !figures.cards.is_empty() {
        body += &a_day(figures, &days)?;
        body += &yields(figures, &days)?;
        body += &troubles(figures)?;
        body += &latencies(figures)?;
    }
    if !figures.loads.is_empty() {
        body += &loads(&figures.loads)?;
    }
    if !figures.settlement.is_empty() {
        body += &settlement(&figures.settlement)?;
    }
    body += &open(figures);
    body += &chain(audit, figures);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title),
        include_str!("style.css")
    ))
}

/// Text that can do nothing in HTML: what is special is escaped, what cannot be seen or turns the direction of writing is replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' => {
                out.push('\u{FFFD}')
            }
            c if c.is_control() => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

fn head(title: &str, journal: &str, figures: &Figures, audit: &Report) -> String {
    let period = match audit.head.seq {
        0 => "no records".into(),
        _ => format!("{} to {} UTC", minute(figures.first_ms), minute(figures.last_ms)),
    };
    format!(
        "<header><div><h1>{}</h1><p class=\"sub\">{} · {period}</p></div>\
         <div class=\"seal\"><svg viewBox=\"0 0 18 18\" aria-hidden=\"true\"><circle cx=\"9\" cy=\"9\" r=\"9\" fill=\"var(--good)\"/>\
         <path d=\"M5 9.4l2.7 2.7L13 6.6\" fill=\"none\" stroke=\"var(--sheet)\" stroke-width=\"2\" stroke-linecap=\"round\" \
         stroke-linejoin=\"round\"/></svg>chain of {} records verified</div></header>\n",
        escape(title),
        escape(journal),
        thousands(audit.head.seq)
    )
}

fn count(figures: &Figures, outcome: Outcome) -> u64 {
    figures.cards.values().filter(|card| card.outcome() == outcome).count() as u64
}

fn tiles(figures: &Figures) -> String {
    let complete = count(figures, Outcome::Complete);
    let (open, quarantined) = (count(figures, Outcome::Open), count(figures, Outcome::Quarantined));
    let begun = complete + open + quarantined;
    let at_once =
        figures.cards.values().filter(|card| card.outcome() == Outcome::Complete && !card.had_trouble).count() as u64;
    let mut times: Vec<_> =
        figures.cards.values().filter_map(|card| Some(card.completed_ms?.saturating_sub(card.begun_ms?))).collect();
    times.sort_unstable();
    let mut tiles: Vec<(String, &str, &str)> = Vec::new();
    if begun > 0 {
        tiles.push((thousands(complete), "cards complete", ""));
        tiles.push((percent(complete, begun), "yield of cards begun", ""));
        tiles.push((percent(at_once, begun), "at the first try", ""));
        tiles.push((thousands(open), "begun, not finished", if open > 0 { " warn" } else { "" }));
        tiles.push((thousands(quarantined), "wait for a person", if quarantined > 0 { " bad" } else { "" }));
    }
    if !times.is_empty() {
        tiles.push((duration(percentile(&times, 50)), "median time of a card", ""));
    }
    let loaded: u64 = figures.loads.values().map(|day| day.loaded).sum();
    if loaded > 0 {
        let amount: u64 = figures.loads.values().map(|day| day.amount).sum();
        tiles.push((thousands(loaded), "purses loaded", ""));
        tiles.push((money(amount), "credited to cards", ""));
    }
    let mut html = String::from("<div class=\"tiles\">");
    for (number, words, class) in tiles {
        let _ = write!(html, "<div class=\"tile{class}\"><b>{number}</b><span>{words}</span></div>");
    }
    html + "</div>\n"
}

fn a_day(figures: &Figures, days: &[Day]) -> Result<String, ReportError> {
    let mut done: BTreeMap<Day, u64> = BTreeMap::new();
    for card in figures.cards.values().filter(|card| card.outcome() == Outcome::Complete) {
        if let Some(time) = card.completed_ms {
            *done.entry(Day::of(time)).or_default() += 1;
        }
    }
    let values: Vec<_> = days.iter().map(|day| done.get(day).copied().unwrap_or_default()).collect();
    let (most, day) = values
        .iter()
        .zip(days)
        .max_by_key(|(value, _)| **value)
        .map(|(value, day)| (*value, *day))
        .unwrap_or((0, Day(0)));
    let words = format!("Most on {day}: {}. By the day on which the last step was proved, UTC.", thousands(most));
    let bars = Bars { labels: days.iter().map(|day| day.short()).collect(), parts: vec![values.clone()] };
    let rows = days.iter().zip(&values).rev().map(|(day, value)| vec![day.to_string(), thousands(*value)]);
    Ok(pair(
        "Cards a day",
        &words,
        "",
        &chart::standing("Cards completed a day", &bars)?,
        &table(&["day", "#cards"], rows),
    ))
}

fn yields(figures: &Figures, days: &[Day]) -> Result<String, ReportError> {
    let mut begun: BTreeMap<Day, [u64; 3]> = BTreeMap::new();
    for card in figures.cards.values() {
        let Some(time) = card.begun_ms else { continue };
        let part = match card.outcome() {
            Outcome::Complete => 0,
            Outcome::Quarantined => 2,
            Outcome::Open | Outcome::Seen => 1,
        };
        begun.entry(Day::of(time)).or_default()[part] += 1;
    }
    let of = |day: &Day| begun.get(day).copied().unwrap_or_default();
    let bars = Bars {
        labels: days.iter().map(|day| day.short()).collect(),
        parts: (0..3).map(|part| days.iter().map(|day| of(day)[part]).collect()).collect(),
    };
    let legend = legend(&["complete", "not finished", "waits for a person"]);
    let rows = days.iter().rev().map(|day| {
        let [complete, open, quarantined] = of(day);
        let all = complete + open + quarantined;
        let share = if all == 0 { String::new() } else { percent(complete, all) };
        vec![day.to_string(), thousands(all), thousands(complete), share]
    });
    let table = table(&["begun on", "#cards", "#complete", "#yield"], rows);
    let words = "What has come by now of the cards that were begun on a day.";
    Ok(pair("Yield", words, &legend, &chart::standing("Cards by the day they were begun", &bars)?, &table))
}

fn troubles(figures: &Figures) -> Result<String, ReportError> {
    let mut rows: Vec<_> = figures.troubles.iter().map(|(trouble, count)| (trouble, *count)).collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if rows.is_empty() {
        return Ok(section("Failures", "", "<p class=\"none\">No step failed.</p>"));
    }
    let bars: Vec<_> = rows.iter().take(12).map(|(trouble, count)| (trouble.short(), *count)).collect();
    let cells = rows.iter().map(|(trouble, count)| vec![trouble.short(), trouble.words(), thousands(*count)]);
    let words =
        "Attempts that did not go through, by what the card answered. Most of them were made good by a later attempt.";
    Ok(pair(
        "Failures",
        words,
        "",
        &chart::lying("Failures by status word", &bars)?,
        &table(&["status", "meaning", "#times"], cells),
    ))
}

fn latencies(figures: &Figures) -> Result<String, ReportError> {
    let mut rows: Vec<_> = figures.latencies.iter().filter(|(_, times)| !times.is_empty()).collect();
    if rows.is_empty() {
        return Ok(String::new());
    }
    rows.sort_by_key(|(_, times)| std::cmp::Reverse(percentile(times, 50)));
    rows.truncate(16);
    let ranges: Vec<_> = rows
        .iter()
        .map(|(step, times)| (escape_plain(step), [percentile(times, 5), percentile(times, 50), percentile(times, 95)]))
        .collect();
    let cells = rows.iter().map(|(step, times)| {
        vec![
            (*step).clone(),
            thousands(times.len() as u64),
            duration(percentile(times, 50)),
            duration(percentile(times, 95)),
        ]
    });
    let table = table(&["step", "#times", "#median", "#95 %"], cells);
    let words = "From the intent on disk to the outcome on disk, by the writer's clock. The dot is the median, the line goes from 5 to 95 of 100.";
    Ok(pair("How long steps take", words, "", &chart::ranges("Time of steps", &ranges)?, &table))
}

fn loads(loads: &BTreeMap<Day, Loads>) -> Result<String, ReportError> {
    let days: Vec<_> = match (loads.keys().next(), loads.keys().next_back()) {
        (Some(first), Some(last)) => (first.0.max(last.0 - MOST_DAYS + 1)..=last.0).map(Day).collect(),
        _ => Vec::new(),
    };
    let of = |day: &Day| loads.get(day).copied().unwrap_or_default();
    let bars = Bars {
        labels: days.iter().map(|day| day.short()).collect(),
        parts: vec![
            days.iter().map(|day| of(day).loaded).collect(),
            days.iter().map(|day| of(day).closed + of(day).reversed).collect(),
            days.iter().map(|day| of(day).disputed).collect(),
        ],
    };
    let legend = legend(&["loaded", "ended without a debit, or reversed", "could not be told at once"]);
    let rows = days.iter().rev().map(|day| {
        let loads = of(day);
        vec![
            day.to_string(),
            thousands(loads.loaded),
            money(loads.amount),
            thousands(loads.reversed),
            thousands(loads.disputed),
        ]
    });
    let table = table(&["day", "#loaded", "#credited", "#reversed", "#disputed"], rows);
    let words = "Loads of electronic purses by the day of their outcome. Amounts in units of the currency's hundredth, divided by 100.";
    Ok(pair("Purses", words, &legend, &chart::standing("Loads a day", &bars)?, &table))
}

/// Business days, compared three ways: bank, journal, cards.
fn settlement(days: &BTreeMap<String, Settled>) -> Result<String, ReportError> {
    let days: Vec<_> = days.iter().rev().take(MOST_DAYS as usize).collect::<Vec<_>>().into_iter().rev().collect();
    let matched = |day: &Settled| day.totals.map_or(0, |totals| u64::from(totals.matched));
    let bars = Bars {
        labels: days.iter().map(|(name, _)| name.get(5..).unwrap_or(name).to_owned()).collect(),
        parts: vec![
            days.iter().map(|(_, day)| matched(day)).collect(),
            days.iter().map(|(_, day)| day.exceptions.len() as u64 - day.open()).collect(),
            days.iter().map(|(_, day)| day.open()).collect(),
        ],
    };
    let legend = legend(&["bank, journal and card agree", "did not, and is settled", "did not, and is open"]);
    let rows = days.iter().rev().map(|(name, day)| {
        let state = match (day.is_closed, day.totals, day.open()) {
            (true, ..) => "signed and closed",
            (_, None, _) => "sources are coming",
            (_, _, 0) => "to be closed",
            _ => "exceptions are open",
        };
        let totals = day.totals.unwrap_or_default();
        vec![
            (*name).clone(),
            money(totals.debited.saturating_sub(totals.reversed)),
            money(totals.bank_debits.saturating_sub(totals.bank_reversals)),
            thousands(day.exceptions.len() as u64),
            state.into(),
        ]
    });
    let table_of_days = table(&["day", "#journal", "#bank", "#exceptions", "state"], rows);
    let words = "Each business day compared three ways. Journal and bank: what was debited, less what was reversed.";
    let mut html =
        pair("Settlement", words, &legend, &chart::standing("Settlement by business day", &bars)?, &table_of_days);
    let exceptions = days.iter().rev().flat_map(|(name, day)| {
        day.exceptions.iter().map(move |mismatch| {
            vec![
                (*name).clone(),
                mismatch.number.to_string(),
                mismatch.class.name().into(),
                mismatch.load.clone().unwrap_or_default(),
                money(mismatch.amount.into()),
                mismatch.owner.clone().unwrap_or_else(|| "nobody".into()),
                mismatch.resolution.as_ref().map_or_else(|| "open".into(), |resolution| resolution.words()),
            ]
        })
    });
    let exceptions: Vec<_> = exceptions.take(MOST_OPEN).collect();
    if !exceptions.is_empty() {
        let columns = ["day", "#no.", "what", "load", "#amount", "owner", "came to"];
        let body =
            format!("<div class=\"scroll tall\" tabindex=\"0\">{}</div>", table(&columns, exceptions.into_iter()));
        html +=
            &section("Exceptions of settlement", "What did not match, who looks after it, and how it ended.", &body);
    }
    Ok(html)
}

fn open(figures: &Figures) -> String {
    let words = "Where a run was cut off or a step was refused, the same card, presented again, is taken up where it was. \
                 What waits for a person is tried by nobody else.";
    if figures.open.is_empty() {
        return section("Open", "", "<p class=\"none\">Nothing is open.</p>");
    }
    let mut rows = String::new();
    for item in figures.open.iter().take(MOST_OPEN) {
        let tag = if item.is_quarantined {
            "<span class=\"tag q\">waits for a person</span>"
        } else {
            "<span class=\"tag o\">open</span>"
        };
        let age = duration(figures.last_ms.saturating_sub(item.since_ms));
        let _ = writeln!(
            rows,
            "<tr><td>{tag}</td><td class=\"age\" title=\"since {}\">{age}</td><td class=\"wide-cell\"><code>{}</code></td><td class=\"wide-cell\">{}</td></tr>",
            minute(item.since_ms),
            escape(&item.entity).replace('/', "/<wbr>"),
            escape(&item.what)
        );
    }
    let more = match figures.open.len().saturating_sub(MOST_OPEN) {
        0 => String::new(),
        more => format!("<p class=\"none\">and {} more</p>", thousands(more as u64)),
    };
    let body = format!(
        "<div class=\"scroll tall\"><table class=\"open\"><thead><tr><th></th><th>for</th><th>card</th><th>what</th></tr></thead>\
         <tbody>\n{rows}</tbody></table></div>{more}"
    );
    section(&format!("Open and waiting: {}", thousands(figures.open.len() as u64)), words, &body)
}

fn chain(audit: &Report, figures: &Figures) -> String {
    let signed = match audit.signed_up_to {
        Some(seq) => format!("up to record {}, by a key that was given", thousands(seq)),
        None => match audit.other_checkpoints {
            0 => "no checkpoints".into(),
            some => format!("{} checkpoints, whose key was not given", thousands(some)),
        },
    };
    let rows = [
        ("records", format!("{}, each with the hash of the one before, all computed again", thousands(audit.head.seq))),
        ("last hash", format!("<code>{}</code>", hex::encode(audit.head.hash))),
        ("signed", signed),
        ("format", format!("schema {}", audit.schema)),
        (
            "written in",
            format!("{} run{} of a program", thousands(figures.runs), if figures.runs == 1 { "" } else { "s" }),
        ),
    ];
    let mut list = String::from("<dl>");
    for (name, value) in rows {
        let _ = write!(list, "<dt>{name}</dt><dd>{value}</dd>");
    }
    let words = "Keep the last hash elsewhere: a later audit shows then that nothing before it was changed.";
    section("The record", words, &(list + "</dl>"))
}

fn section(title: &str, words: &str, body: &str) -> String {
    let words = if words.is_empty() { String::new() } else { format!("<p class=\"sub\">{}</p>", escape(words)) };
    format!("<section><h2>{}</h2>{words}{body}</section>\n", escape(title))
}

/// A chart and its table.
fn pair(title: &str, words: &str, legend: &str, chart: &str, table: &str) -> String {
    let body = format!(
        "<div class=\"pair\"><figure>{legend}{chart}</figure><div class=\"scroll\" tabindex=\"0\">{table}</div></div>"
    );
    section(title, words, &body)
}

fn legend(names: &[&str]) -> String {
    let mut html = String::from("<div class=\"legend\">");
    for (name, class) in names.iter().zip(["a", "b", "c"]) {
        let _ = write!(html, "<span><i class=\"{class}\"></i>{}</span>", escape(name));
    }
    html + "</div>"
}

/// A table; columns whose name begins with `#` are numbers.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let class = |column: &str| if column.starts_with('#') { " class=\"n\"" } else { "" };
    let mut html = String::from("<table><thead><tr>");
    for column in columns {
        let _ = write!(html, "<th{}>{}</th>", class(column), escape(column.trim_start_matches('#')));
    }
    html += "</tr></thead><tbody>\n";
    for row in rows {
        html += "<tr>";
        for (column, cell) in columns.iter().zip(row) {
            let _ = write!(html, "<td{}>{}</td>", class(column), escape(&cell));
        }
        html += "</tr>\n";
    }
    html + "</tbody></table>"
}

/// For charts, which escape by themselves.
fn escape_plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '\u{FFFD}' }).collect()
}

fn percent(part: u64, whole: u64) -> String {
    match part as f64 * 100.0 / whole.max(1) as f64 {
        share if part == whole || share < 99.95 => format!("{share:.1} %"),
        // Not all is never shown as all.
        _ => "99.9 %".into(),
    }
    .replace("100.0 %", "100 %")
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", thousands(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_do_nothing() {
        assert_eq!(escape("<script>'\"&\u{202E}\n\0"), "&lt;script&gt;&#39;&quot;&amp;\u{FFFD}\u{FFFD}\u{FFFD}");
        assert_eq!([percent(1, 1), percent(9999, 10_000), percent(1, 3)], ["100 %", "99.9 %", "33.3 %"]);
        assert_eq!(money(123_456), "1\u{202F}234.56");
    }
}
