//! The plan of a sweep: TOML whose keys are the flags of an ensemble.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use clap::{CommandFactory, Parser};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};
use crate::experiment::{EnsembleFlags, Plan};
use crate::files::read_text;

/// More ensembles than this are a mistake in a list.
const MAX_ENSEMBLES: usize = 100_000;

/// Keys of a plan that are no flags of an ensemble.
const DRAWS: &str = "draws";
const MAX_NETWORKS: &str = "max_networks";
const MAX_SECONDS: &str = "max_seconds";

/// A checked plan of many ensembles.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// In order: the grid, then the explicit ones.
    pub members: Vec<Member>,
    /// Whether the counts of every path are kept.
    pub draws: bool,
}

/// One ensemble of a sweep.
#[derive(Clone, Debug)]
pub struct Member {
    /// What to estimate.
    pub plan: Plan,
    /// Time after which it ends with the networks it has.
    pub max_seconds: Option<f64>,
    /// The keys that the plan sets, with their values as text.
    pub keys: BTreeMap<String, String>,
}

/// The flags of an ensemble as a command line of their own.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    flags: EnsembleFlags,
}

/// A value with its place in the text.
#[derive(Clone)]
struct Value {
    text: String,
    at: Range<usize>,
}

/// A key with the values it has in turn.
struct Key {
    name: String,
    values: Vec<Value>,
}

/// The text of a plan, to tell lines.
struct Text<'a> {
    name: String,
    text: &'a str,
}

impl Text<'_> {
    fn error(&self, at: &Range<usize>, message: impl std::fmt::Display) -> Error {
        let line = self.text[..at.start.min(self.text.len())].matches('\n').count() + 1;
        Error::usage(format!("{}:{line}: {message}", self.name))
    }
}

impl SweepPlan {
    /// Reads and checks a whole plan.
    ///
    /// # Errors
    /// Names file and line of what is wrong, and what would be right.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&path.display().to_string(), &read_text(path)?)
    }

    /// Checks the text of a plan of this name.
    ///
    /// # Errors
    /// Names file and line of what is wrong, and what would be right.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let text = Text { name: name.to_owned(), text };
        let table = DeTable::parse(text.text)
            .map_err(|e| text.error(&e.span().unwrap_or(0..0), e.message().replace('\n', " ")))?;
        let (mut draws, mut common, mut tables) = (false, Vec::new(), Vec::new());
        for (key, value) in in_order(table.get_ref()) {
            match (key.get_ref().as_ref(), value.get_ref()) {
                (DRAWS, DeValue::Boolean(keep)) => draws = *keep,
                (DRAWS, _) => return Err(text.error(&value.span(), "draws is true or false")),
                ("ensembles", DeValue::Array(explicit)) => {
                    for table in explicit {
                        let DeValue::Table(keys) = table.get_ref() else {
                            return Err(text.error(&table.span(), "write [[ensembles]] and keys below it"));
                        };
                        let keys = in_order(keys).into_iter().map(|(key, value)| text.key(key, value));
                        tables.push(keys.collect::<Result<Vec<Key>>>()?);
                    }
                }
                ("ensembles", _) => return Err(text.error(&key.span(), "write [[ensembles]] and keys below it")),
                _ => common.push(text.key(key, value)?),
            }
        }
        let is_grid = tables.is_empty() || common.iter().any(|key| key.values.len() > 1);
        let mut members = Vec::new();
        if is_grid {
            text.add_grid(&common.iter().collect::<Vec<_>>(), &mut members)?;
        }
        for table in &tables {
            // Keys of the grid that have one value are the table's, too, unless it has its own.
            let inherited =
                common.iter().filter(|key| key.values.len() == 1 && table.iter().all(|own| own.name != key.name));
            text.add_grid(&inherited.chain(table).collect::<Vec<_>>(), &mut members)?;
        }
        Ok(Self { members, draws })
    }

    /// The plan whose ensembles have these keys, as a journal of this name keeps them.
    pub(super) fn from_keys(name: &str, keys: &[BTreeMap<String, String>], draws: bool) -> Result<Self> {
        let text = Text { name: name.to_owned(), text: "" };
        let member = |keys: &BTreeMap<String, String>| {
            let values: Vec<(&String, Value)> =
                keys.iter().map(|(key, value)| (key, Value { text: value.clone(), at: 0..0 })).collect();
            text.member(&values.iter().map(|(key, value)| (key.as_str(), value)).collect::<Vec<_>>())
        };
        Ok(Self { members: keys.iter().map(member).collect::<Result<_>>()?, draws })
    }
}

/// The entries of a table as they are written.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

impl Text<'_> {
    fn key(&self, key: &Spanned<toml::de::DeString>, value: &Spanned<DeValue>) -> Result<Key> {
        let name = key.get_ref().to_string();
        let command = Flags::command();
        let known: Vec<&str> = command
            .get_arguments()
            .map(|argument| argument.get_id().as_str())
            .chain([MAX_NETWORKS, MAX_SECONDS])
            .collect();
        if !known.contains(&name.as_str()) {
            return Err(self.error(&key.span(), format!("unknown key '{name}': use {} or draws", known.join(", "))));
        }
        let values = match value.get_ref() {
            DeValue::Array(values) if values.is_empty() => {
                return Err(self.error(&value.span(), format!("{name} has no value")));
            }
            DeValue::Array(values) => values.iter().map(|value| self.value(&name, value)).collect::<Result<_>>()?,
            _ => vec![self.value(&name, value)?],
        };
        Ok(Key { name, values })
    }

    fn value(&self, name: &str, value: &Spanned<DeValue>) -> Result<Value> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(_) | DeValue::Float(_) => self.text[value.span()].replace('_', ""),
            _ => return Err(self.error(&value.span(), format!("{name} is text, a number, or a list of these"))),
        };
        let is_bad = match name {
            MAX_NETWORKS => text.parse::<u64>().is_err(),
            MAX_SECONDS => !text.parse::<f64>().is_ok_and(|seconds| seconds > 0.0),
            _ => false,
        };
        if is_bad {
            return Err(self.error(&value.span(), format!("{name} '{text}': give a positive number")));
        }
        let value = Value { text, at: value.span() };
        if ![MAX_NETWORKS, MAX_SECONDS].contains(&name) {
            self.flags(std::iter::once((name, &value)))?;
        }
        Ok(value)
    }

    /// The flags that these keys make.
    fn flags<'v>(&self, keys: impl Iterator<Item = (&'v str, &'v Value)> + Clone) -> Result<EnsembleFlags> {
        let arguments = keys.clone().map(|(name, value)| format!("--{}={}", name.replace('_', "-"), value.text));
        Flags::try_parse_from(std::iter::once("plan".to_owned()).chain(arguments)).map(|flags| flags.flags).map_err(
            |e| {
                let at = keys.last().map_or(0..0, |(_, value)| value.at.clone());
                let message = e.to_string();
                let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ");
                self.error(&at, message)
            },
        )
    }

    /// Adds the cartesian product of all values, the last key varying fastest.
    fn add_grid(&self, keys: &[&Key], members: &mut Vec<Member>) -> Result<()> {
        let n = keys.iter().try_fold(members.len().max(1), |n, key| n.checked_mul(key.values.len()));
        if n.is_none_or(|n| n > MAX_ENSEMBLES) {
            let at = keys.iter().max_by_key(|key| key.values.len()).map_or(0..0, |key| key.values[0].at.clone());
            return Err(self.error(&at, format!("more than {MAX_ENSEMBLES} ensembles: use shorter lists")));
        }
        let mut choice = vec![0; keys.len()];
        loop {
            let chosen: Vec<(&str, &Value)> =
                keys.iter().zip(&choice).map(|(key, &ix)| (key.name.as_str(), &key.values[ix])).collect();
            members.push(self.member(&chosen)?);
            let Some(next) = (0..keys.len()).rev().find(|&k| choice[k] + 1 < keys[k].values.len()) else {
                return Ok(());
            };
            choice[next] += 1;
            choice[next + 1..].fill(0);
        }
    }

    fn member(&self, chosen: &[(&str, &Value)]) -> Result<Member> {
        let own = |name: &str| chosen.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let flags = chosen.iter().copied().filter(|(name, _)| ![MAX_NETWORKS, MAX_SECONDS].contains(name));
        let mut flags = self.flags(flags)?;
        if let Some(most) = own(MAX_NETWORKS) {
            if flags.target_error.is_none() {
                return Err(self.error(&most.at, "max_networks is for a target_error: give networks instead"));
            }
            flags.networks = most.text.parse().ok();
        }
        let plan = Plan::from_flags(&flags).map_err(|e| {
            // A flag that is named in the message is a key of the plan.
            let message = e.to_string();
            let named = |name: &str| message.contains(&format!("--{}", name.replace('_', "-")));
            let at = chosen.iter().find(|(name, _)| named(name)).or(chosen.first()).map_or(0..0, |(_, v)| v.at.clone());
            self.error(&at, message)
        })?;
        Ok(Member {
            plan,
            max_seconds: own(MAX_SECONDS).and_then(|value| value.text.parse().ok()),
            keys: chosen.iter().map(|(name, value)| ((*name).to_owned(), value.text.clone())).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archs(text: &str) -> Vec<String> {
        let plan = SweepPlan::parse("plan.toml", text).unwrap();
        let name = |m: &Member| {
            let network = &m.plan.ensemble.network;
            format!("{} {} {}", network.architecture(), network.bias(), m.plan.networks)
        };
        plan.members.iter().map(name).collect()
    }

    #[test]
    fn lists_make_grids_and_tables_add_to_them() {
        let grid =
            "seed = 3\nnetworks = 3_000\narch = [\"2-24x2\", \"2-24x4\"]\nbias = [\"normal:0.1\", \"normal:0.5\"]\n";
        let expected =
            ["2-24x2 normal:0.1 3000", "2-24x2 normal:0.5 3000", "2-24x4 normal:0.1 3000", "2-24x4 normal:0.5 3000"];
        assert_eq!(archs(grid), expected);
        let with_tables =
            format!("{grid}[[ensembles]]\narch = \"2-8\"\nnetworks = 7\n[[ensembles]]\narch = [\"3-1\", \"3-2\"]\n");
        assert_eq!(archs(&with_tables)[4..], ["2-8 normal:0.1 7", "3-1 normal:0.1 3000", "3-2 normal:0.1 3000"]);
        assert_eq!(
            archs("networks = 5\n[[ensembles]]\narch = \"2-8\"\n"),
            ["2-8 normal:0.1 5"],
            "no grid without a list"
        );
        assert_eq!(archs(""), ["2-64x3 normal:0.1 1000"]);
        let targets = "target_error = \"5%\"\nmax_networks = 400\nmax_seconds = 2.5\ndraws = true\n";
        let plan = SweepPlan::parse("p", targets).unwrap();
        assert_eq!((plan.members[0].plan.networks, plan.members[0].max_seconds, plan.draws), (400, Some(2.5), true));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, message) in [
            ("seed = 1\narch = [\"2-8\", \"2-0\"]\n", "plan.toml:2: --arch"),
            ("seed = 1\n\nbias = \"norml:1\"\n", "plan.toml:3: --bias"),
            ("widths = 3\n", "plan.toml:1: unknown key 'widths'"),
            ("arch = \"2-8\n", "plan.toml:1: "),
            ("arch = []\n", "plan.toml:1: arch has no value"),
            ("networks = true\n", "plan.toml:1: networks is text, a number"),
            ("networks = \"many\"\n", "plan.toml:1: invalid value 'many'"),
            ("networks = -3\n", "plan.toml:1: "),
            ("max_networks = 3\n", "plan.toml:1: max_networks is for a target_error"),
            ("max_seconds = -1\n", "plan.toml:1: max_seconds '-1'"),
            ("draws = 1\n", "plan.toml:1: draws is true or false"),
            ("ensembles = [3]\n", "plan.toml:1: write [[ensembles]]"),
            ("[ensembles]\nseed = 3\n", "plan.toml:1: write [[ensembles]]"),
            ("outputs = 0\n", "plan.toml:1: --outputs 0: give at least 1"),
            ("arch = \"2-8\"\n[[ensembles]]\nmethod = \"guess\"\n", "plan.toml:3: --method guess"),
        ] {
            let error = SweepPlan::parse("plan.toml", text).expect_err(text).to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
        let list: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        let text = format!("seed = [{0}]\nlength = [{0}]\n", list.join(","));
        assert!(
            SweepPlan::parse("p", &text).expect_err("a million").to_string().contains("more than 100000 ensembles")
        );
    }
}
