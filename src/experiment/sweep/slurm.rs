//! A sweep as a Slurm job array with a merge after it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::experiment::OutputFile;

/// What to ask Slurm for.
#[derive(Clone, Debug)]
pub struct SlurmJob {
    /// The program itself.
    pub program: PathBuf,
    /// The plan.
    pub plan: PathBuf,
    /// Directory of journals, logs and the result.
    pub directory: PathBuf,
    /// Tasks of the array, a shard each.
    pub tasks: u64,
    /// Processors of each task.
    pub cpus_per_task: u64,
    /// GPUs of each task; with none, processors compute.
    pub gpus_per_task: Option<u64>,
    /// Further options of sbatch, such as `--time=2:00:00`.
    pub options: Vec<String>,
}

impl SlurmJob {
    /// The array: every task runs its shard, and once more from the last checkpoint when it was killed or ran out of time.
    pub fn array_script(&self) -> String {
        let log = format!("{}/slurm-%a.log", pattern(&self.directory));
        let mut head = self.head("linregions");
        head.extend([format!("--array=1-{}", self.tasks), "--requeue".to_owned(), "--open-mode=append".to_owned()]);
        head.extend([format!("--output={log}"), format!("--cpus-per-task={}", self.cpus_per_task)]);
        let engine = match self.gpus_per_task {
            Some(gpus) => {
                head.push(format!("--gpus-per-task={gpus}"));
                "gpu".to_owned()
            }
            None => format!("cpu --threads {}", self.cpus_per_task),
        };
        let [program, plan, directory] = self.quoted();
        format!(
            "{}{program} sweep {plan} --out {directory} --shard \"$SLURM_ARRAY_TASK_ID/{}\" --engine {engine} --quiet\ncode=$?\n\
             # Killed, or at the end of its time: what is finished is in the journal.\n\
             if [ $code -gt 128 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt 10 ]; then\n    scontrol requeue \"$SLURM_JOB_ID\"\nfi\n\
             exit $code\n",
            script(&head),
            self.tasks
        )
    }

    /// The merge of all shards into the same directory.
    pub fn merge_script(&self) -> String {
        let mut head = self.head("linregions-merge");
        head.push(format!("--output={}/slurm-merge.log", pattern(&self.directory)));
        let [program, _, directory] = self.quoted();
        format!("{}exec {program} merge {directory} --out {directory}\n", script(&head))
    }

    /// Writes both scripts into the directory.
    ///
    /// # Errors
    /// A directory that cannot be written.
    pub fn write(&self) -> Result<[PathBuf; 2]> {
        let names = ["sweep.sbatch", "merge.sbatch"].map(|name| self.directory.join(name));
        let files = [&self.program, &self.plan, &self.directory].map(|path| path.display().to_string());
        if let Some(text) = files.iter().chain(&self.options).find(|text| text.chars().any(char::is_control)) {
            return Err(Error::usage(format!("'{}' has a line break: no script can have it", text.escape_debug())));
        }
        fs::create_dir_all(&self.directory)
            .map_err(|e| Error::usage(format!("cannot write there: {e}")).at(self.directory.display()))?;
        for (name, text) in names.iter().zip([self.array_script(), self.merge_script()]) {
            let mut file = OutputFile::replace(name)?;
            file.write_all(text.as_bytes()).map_err(|e| Error::failed(e.to_string()).at(name.display()))?;
            file.finish()?;
        }
        Ok(names)
    }

    fn head(&self, name: &str) -> Vec<String> {
        std::iter::once(format!("--job-name={name}")).chain(self.options.iter().cloned()).collect()
    }

    fn quoted(&self) -> [String; 3] {
        [&self.program, &self.plan, &self.directory].map(|path| quote(&path.display().to_string()))
    }
}

/// Submits both scripts, the second after the first; returns the numbers of the jobs.
///
/// # Errors
/// What sbatch says.
pub fn submit([array, merge]: &[PathBuf; 2]) -> Result<[String; 2]> {
    let first = sbatch(array, &[])?;
    let second = sbatch(merge, &[&format!("--dependency=afterok:{first}"), "--kill-on-invalid-dep=yes"])?;
    Ok([first, second])
}

fn sbatch(script: &Path, options: &[&str]) -> Result<String> {
    let output = Command::new("sbatch").arg("--parsable").args(options).arg(script).output();
    let output = output.map_err(|e| Error::failed(format!("cannot start sbatch: {e}")))?;
    if !output.status.success() {
        return Err(Error::failed(format!("sbatch: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    // The number, and perhaps a cluster's name after it.
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().split(';').next().unwrap_or_default().to_owned())
}

/// A path in which Slurm replaces nothing.
fn pattern(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

fn script(options: &[String]) -> String {
    let lines: String = options.iter().map(|option| format!("#SBATCH {}\n", sbatch_word(option))).collect();
    format!("#!/bin/sh\n{lines}\n")
}

/// Text as one word of a line of options, in which sbatch knows quotes and backslashes.
fn sbatch_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=:,./%@+".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Text as one word of the shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_quote_what_they_are_given() {
        let job = SlurmJob {
            program: "/opt/it's here/linregions".into(),
            plan: "/data/plan.toml".into(),
            directory: "/data/out $1/100%".into(),
            tasks: 16,
            cpus_per_task: 4,
            gpus_per_task: None,
            options: vec!["--time=2:00:00".to_owned(), "--comment=a \"b\"".to_owned()],
        };
        let array = job.array_script();
        assert!(array.starts_with("#!/bin/sh\n#SBATCH --job-name=linregions\n#SBATCH --time=2:00:00\n"), "{array}");
        assert!(array.contains("#SBATCH \"--comment=a \\\"b\\\"\"\n"), "{array}");
        assert!(array.contains("#SBATCH \"--output=/data/out $1/100%%/slurm-%a.log\"\n"), "{array}");
        assert!(array.contains("#SBATCH --array=1-16\n") && array.contains("#SBATCH --cpus-per-task=4\n"), "{array}");
        let command = "'/opt/it'\\''s here/linregions' sweep '/data/plan.toml' --out '/data/out $1/100%' --shard \
                       \"$SLURM_ARRAY_TASK_ID/16\" --engine cpu --threads 4 --quiet\n";
        assert!(array.contains(command), "{array}");
        let gpus = SlurmJob { gpus_per_task: Some(1), ..job.clone() }.array_script();
        assert!(gpus.contains("#SBATCH --gpus-per-task=1\n") && gpus.contains("--engine gpu --quiet"), "{gpus}");
        let broken = SlurmJob { directory: "/data/a\nb".into(), ..job.clone() };
        assert!(broken.write().expect_err("two lines").to_string().contains("/data/a\\nb' has a line break"));
        assert!(
            job.merge_script().ends_with(
                "exec '/opt/it'\\''s here/linregions' merge '/data/out $1/100%' --out '/data/out $1/100%'\n"
            )
        );
    }
}
