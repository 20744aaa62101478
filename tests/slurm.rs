//! A sweep on a real Slurm: two nodes on this machine, started and ended by the test. Needs Debian's slurmctld, slurmd,
//! slurm-client and munge, and root: `cargo test --test slurm -- --ignored`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PLAN: &str = "
seed = 5
networks = 300000
arch = [\"2-24x2\", \"3-16x3\"]

[[ensembles]]
arch = [\"2-16x2\", \"3-8x2\", \"4-8\"]
networks = 5000
method = \"rice\"
target_error = \"2%\"
";

const TASKS: usize = 16;

struct Cluster {
    directory: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let cluster = Self { directory: tempfile::tempdir().expect("a directory") };
        let root = cluster.directory.path().display().to_string();
        let text = |output: Output| String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned();
        let host = text(Command::new("hostname").output().expect("hostname"));
        let user = text(Command::new("id").arg("-un").output().expect("id"));
        let key: Vec<u8> = (0..1024u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        std::fs::write(cluster.path("munge.key"), key).expect("writable");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(cluster.path("munge.key"), std::fs::Permissions::from_mode(0o400)).expect("ours");
        std::fs::create_dir(cluster.path("state")).expect("writable");
        // Ports of their own for every test process.
        let port = 20_000 + std::process::id() % 20_000;
        let configuration = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={port}\nAuthType=auth/munge\n\
             AuthInfo=socket={root}/munge.socket\nCredType=cred/munge\nSlurmUser={user}\nSlurmdUser={user}\n\
             StateSaveLocation={root}/state\nSlurmdSpoolDir={root}/spool-%n\nSlurmctldPidFile={root}/slurmctld.pid\n\
             SlurmdPidFile={root}/slurmd-%n.pid\nSlurmctldLogFile={root}/slurmctld.log\nSlurmdLogFile={root}/slurmd-%n.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nSwitchType=switch/none\nMpiDefault=none\n\
             ReturnToService=2\nSchedulerParameters=sched_interval=1\nKillWait=1\n\
             NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=2\n\
             NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=2\n\
             PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n",
            port + 1,
            port + 2
        );
        std::fs::write(cluster.path("slurm.conf"), configuration).expect("writable");
        let file = |name: &str| format!("{root}/{name}");
        let munge = [
            "--force".to_owned(),
            format!("--key-file={}", file("munge.key")),
            format!("--socket={}", file("munge.socket")),
            format!("--pid-file={}", file("munged.pid")),
            format!("--log-file={}", file("munged.log")),
            format!("--seed-file={}", file("munge.seed")),
        ];
        cluster.succeed("munged", &munge.iter().map(String::as_str).collect::<Vec<_>>());
        cluster.succeed("slurmctld", &["-c"]);
        cluster.succeed("slurmd", &["-N", "n1"]);
        cluster.succeed("slurmd", &["-N", "n2"]);
        cluster.wait("idle nodes", || cluster.succeed("sinfo", &["-h", "-o", "%t %D"]).trim() == "idle 2");
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let system = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{system}:/usr/sbin:/sbin")).env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    fn succeed(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output();
        let output = output
            .unwrap_or_else(|e| panic!("{program}: {e}: these tests need slurmctld, slurmd, slurm-client and munge"));
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn wait(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(180);
        while !is_true() {
            let log = || std::fs::read_to_string(self.path("slurmctld.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{what}: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Tasks of an array that run now.
    fn running(&self, array: &str) -> Vec<String> {
        let tasks = self.succeed("squeue", &["-h", "-r", "-t", "R", "-j", array, "-o", "%i"]);
        tasks.lines().map(str::to_owned).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for name in ["slurmd-n1.pid", "slurmd-n2.pid", "slurmctld.pid", "munged.pid"] {
            if let Ok(pid) = std::fs::read_to_string(self.path(name)) {
                let _ = Command::new("kill").args(["-9", pid.trim()]).status();
            }
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Sixteen shards on two nodes; two tasks are requeued and the process of another is killed while they run. The merged result is that
/// of one run.
#[test]
#[ignore = "needs slurmctld, slurmd, slurm-client, munge and root"]
fn an_array_gives_what_one_run_gives() {
    let cluster = Cluster::start();
    let plan = cluster.path("plan.toml");
    std::fs::write(&plan, PLAN).expect("writable");
    let [plan, out, one] = [plan, cluster.path("out"), cluster.path("one")].map(|path| path.display().to_string());
    let program = env!("CARGO_BIN_EXE_linregions");
    cluster.succeed(program, &["sweep", &plan, "--out", &one, "--engine", "cpu", "--quiet"]);

    let tasks = TASKS.to_string();
    let submitted = cluster.succeed(program, &["slurm", &plan, "--out", &out, "--tasks", &tasks, "--submit"]);
    let (array, merge) = submitted.trim().split_once("\nmerge ").expect("two jobs");
    let array = array.strip_prefix("array ").expect("the array first");

    let mut requeued = Vec::new();
    cluster.wait("two tasks to requeue", || {
        for task in cluster.running(array) {
            // It may end before it is asked to.
            let asked = cluster.command("scontrol").args(["requeue", &task]).output().expect("scontrol");
            if requeued.len() < 2 && !requeued.contains(&task) && asked.status.success() {
                requeued.push(task);
            }
            if requeued.len() == 2 {
                break;
            }
        }
        requeued.len() == 2
    });
    cluster.wait("a process to kill", || {
        let pattern = format!("sweep {plan} --out {out}");
        Command::new("pkill").args(["-9", "-f", "-o", &pattern]).status().expect("pkill").success()
    });
    cluster.wait("the end of both jobs", || cluster.succeed("squeue", &["-h"]).trim().is_empty());

    let merged = cluster.command("scontrol").args(["show", "job", merge]).output().expect("scontrol");
    let logs: String = (1..=TASKS)
        .map(|task| format!("{out}/slurm-{task}.log"))
        .filter_map(|log| std::fs::read_to_string(log).ok())
        .collect();
    assert!(Path::new(&out).join("summary.csv").exists(), "{}\n{logs}", String::from_utf8_lossy(&merged.stdout));
    assert_eq!(read(&Path::new(&one).join("summary.csv")), read(&Path::new(&out).join("summary.csv")));
}
