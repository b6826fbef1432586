/*
 * What `hsx --help` says below the options: examples, and what a table of options cannot tell.
 */
export const clusterNotes = [
  "Examples:",
  "  seq 4 | hsx -t 'echo {}'",
  "  find in -name '*.gz' | hsx -N8 -t 'zcat {Q} | wc -l > out/{/-Q}.n'",
  "  find in -type f -print0 | hsx -0 -t 'gzip -k {Q}'      (names with any character)",
  "  hsx -t 'gzip -k {Q}' ::: *.csv",
  "  hsx -t './sim -m {[0]} -s {[1]}' ::: a b ::: 1 2 3     (six tasks)",
  "  hsx tasks.in --dry-run -t 'gzip {Q}'            (prints the commands, and runs nothing)",
  "  hsx tasks.in -N0 -r2 -W 10m -f tasks.failed",
  "  hsx --restart -N0                  (after a crash, or Ctrl-C)",
  "  hsx tasks.in -N0 --launcher=srun   (in a job of Slurm: on all of its nodes)",
  "  hsx tasks.in -N16 --ssh 'a[00-32].cluster' --capture",
  "  hsx -A dynamic -N192 -Y12 -T60 --capture --launcher='srun -c192 -t60 --signal=USR1@600'",
  "",
  "Clients elsewhere:",
  "  They find this host by its name, and know a key made for this run: it is in the environment of a " +
    "launcher and comes to ssh on standard",
  "  input, never on a command line. ssh must get in without asking. What a launcher prints is passed on; " +
    "when it fails, or ends before",
  "  the tasks do and no client is left, the run ends with status 5 and what did not finish stays in the database.",
  "",
  "  Tasks run in the directory in which their client was started: with srun and mpirun this one, with ssh " +
    "your home over there;",
  "  HYPERSHELL_TASK_CWD=$PWD (task.cwd) names another, '<submit>' for each task the one it was submitted from.",
  "  Tasks are no ranks of an MPI job and no processes of a step,",
  "  so mpirun and srun work in them; the job itself, its nodes and its GPUs they know. The step of the clients " +
    "overlaps other steps of the job;",
  "  'srun --exclusive' keeps it apart.",
  "",
  "Clients that come and go (-A):",
  "  fixed keeps at least -X clients, and brings one up where there is none and tasks wait. dynamic brings up " +
    "another, one in each",
  "  period and -Y at most, while the tasks that remain are more than -F rounds of what runs at once. Clients leave " +
    "by themselves: idle for -T,",
  "  drained by USR1, or at the end of their job. --launcher (or autoscale.launcher) is run once for each client; " +
    "without it they run here.",
  "",
  "  sbatch, qsub, bsub and flux batch submit instead: the client becomes a job, or the arguments of a script " +
    "among the words ('sbatch pilot.sh');",
  "  jobs that wait count as coming, and are cancelled at the end. The key is in the environment of the launcher, " +
    "so the job must get it:",
  "  sbatch and bsub pass it on (--export=NONE is mended), qsub gets -v. Launches that fail are tried again after " +
    "ever longer pauses;",
  "  when four in a row fail before any client has come, the run ends with status 5. A server of your own and a " +
    "script for its pilots: hs autoscale.",
  "",
  "Directories:",
  "  On one machine each task runs in the directory that it was submitted from, also with --restart; task.cwd " +
    "names another. Where that",
  "  directory is gone, its tasks stay unfinished, the others go on, and the exit status is 7.",
  "",
  "Templates:",
  "  {}                 the line, without its comment",
  "  {/} {/-} {+} {++}  of the line as a path: a.tar.gz, a.tar, .gz, gz for dir/a.tar.gz",
  "  {.} {..} {-}       its folder, the folder of that, the path without its last extension",
  "  {[0]} {[-1]}       a word; {[1:]} {[:3]} {[::-1]} slices as in Python",
  "  {% basename @ %}   what a shell command prints; @ the line, @Q the line quoted, \\@ an at sign",
  "  {= x * 2 =}        the value of a Python expression; x is the line, as a number if it is one",
  "  {Q} {/Q} {[0]Q}    any of these with Q before its last brace: quoted, so that the shell sees it as it is",
  "                     (file names; words of a slice one by one); quote(x) in an expression does the same",
  "  \\{                 a brace; other {...} stay as they are: awk '{print $1}' needs no escape",
  "",
  "Words as input:",
  "  -t 'echo {}' ::: 1 2 3    each word is a line, exactly as it is; without -t each is a command",
  "  ::: a b ::: 1 2           all combinations: 'a 1' 'a 2' 'b 1' 'b 2'. {} is the line; {[0]} {[1]}, or {1} {2},",
  "                            are its words, whatever blanks are in them; with Q quoted: {[0]Q} {1Q}",
  "  ::: a b :::+ 1 2          pairs: 'a 1' 'b 2'; the shorter list decides, and what is left over is told",
  "",
  "  Everything after ::: is input, options stand before it. After --, ::: is a word like any other.",
  "",
  "Task lines:",
  "  echo 1  # HYPERSHELL: site:b timeout:10m      tags and settings of this task",
  "  # HYPERSHELL: group:2                         on a line of its own: of all lines after it",
  "  ./train a  # HYPERSHELL: gpus:0.5 license:1   what it needs of its host: cores:, memory:, GPUs or parts of one",
  "                                                (it sees only its own), and whatever --resource declares",
  "",
  "  Group 0 (the default) runs first, a higher one when nothing lower is left to run. A task that failed for good",
  "  holds back higher groups of what was submitted from the same directory.",
  "",
  "  A task that needs cores:2, memory:4GB or gpus:1 waits until that is free. Where no client has it, and no larger",
  "  one may come, it ends with status -3.",
  "",
  "Signals:",
  "  Ctrl-C, TERM   stop every task and go (either of them again: at once); what did not finish stays unfinished",
  "  USR1           start nothing more, let running tasks end",
  "  USR2           start nothing more, stop running tasks; their outcomes count",
  "  HUP            begin a new log file (logging.file), nothing else",
  "",
  "  A signal that comes while hsx starts counts when it is up.",
  "  A task that is stopped ends with all its processes, also those in groups or sessions of their own (setsid).",
  "  With a database, the rest of FILE is stored first after any of them, so that --restart has all of it.",
  "  A signal to the whole job (a time limit, scancel, systemd): a task that it ended within 2 seconds of hsx " +
    "is run again, not failed.",
  "",
  "Exit status: 0 all tasks succeeded (or --forever was drained), 7 some failed or were not run, 4 " +
    "interrupted (Ctrl-C), 143 terminated, 141 nobody reads the output any more (hsx | head), " +
    "2 bad argument, 3 bad configuration, 5 other errors.",
].join("\n");
