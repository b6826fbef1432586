/*
 * What a launcher tells each process that it starts: you are rank r of n, and here is how you reach the others. A
 * client is such a process, but its tasks are not: with these variables, independent programs would take themselves for
 * ranks of one job, and srun or mpirun in a task would refuse to start or wait for ever. Knows only names of variables.
 *
 * What belongs to the allocation stays: the job (SLURM_JOB_ID, SLURM_ARRAY_TASK_ID), its nodes, the host
 * (SLURMD_NODENAME), devices (CUDA_VISIBLE_DEVICES, SLURM_STEP_GPUS), and what people set to tune a library or a
 * launcher (OMPI_MCA_*, PRTE_MCA_*, PMIX_MCA_*, OMPI_ALLOW_RUN_AS_ROOT, OMPI_CC, HYDRA_LAUNCHER, I_MPI_FABRICS,
 * SLURM_OVERLAP).
 *
 * Sources: what Open MPI 4.1.4, MPICH 4.0.2 and Slurm 22.05 really set, and the manuals of the others.
 */
type Environment = Readonly<Record<string, string | undefined>>;

const patterns = [
  // Open MPI. It hands its own state to ranks among the settings that people may give.
  /^OMPI_(?:COMM_WORLD_\w+|APP_CTX_NUM_PROCS|ARGV|COMMAND|FILE_LOCATION|FIRST_RANKS|NUM_APP_CTX|UNIVERSE_SIZE)$/,
  /^OMPI_MCA_(?:ess|ess_base_\w+|initial_wdir|mpi_oversubscribe|pmix|shmem_RUNTIME_QUERY_hint)$/,
  /^OMPI_MCA_orte_(?:app_num|bound_at_launch|cpu_type|daemonize|ess_\w+|hnp_\w+|jobfam_session_dir|launch)$/,
  /^OMPI_MCA_orte_(?:local_daemon_uri|node_regex|num_nodes|parent_uri|precondition_transports|top_session_dir)$/,
  // The runtimes below it.
  /^ORTE_/,
  /^PRTE_(?!MCA_|ALLOW_RUN_AS_ROOT|PREFIX|DEFAULT_|HOME$)/,
  /^PRTE_MCA_(?:ess|prte_ess_\w+|prte_hnp_uri|prte_parent_uri|prte_launch)$/,
  /^PMIX_(?!MCA_|DEBUG|HOME$|PREFIX|INSTALL_PREFIX)/,
  /^PMI2?_/,
  // MPICH and its descendants: Hydra, Intel MPI, MVAPICH.
  /^MPI_LOCAL(?:NRANKS|RANKID)$/,
  /^(?:HYDI_|HYDRA_PROXY_|HYDRA_CONTROL_)/,
  /^MPI(?:CH|R_CVAR_CH[34])_INTERFACE_HOSTNAME/,
  /^MPICH_\w*(?:COMM_WORLD|LOCAL_RANK)\w*$/,
  /^I_MPI_(?:INFO_\w+|\w*(?:RANK|RANKID|NRANKS))$/,
  /^M(?:V2|VP)_COMM_WORLD_/,
  /^MPISPAWN_/,
  /^MPIRUN_(?:RANK|NPROCS|ID|HOST|HOSTLEN|PORT|PROCESSES|COMM_WORLD_\w+)$/,
  // Cray (ALPS, PALS), IBM (jsrun, POE), Flux.
  /^ALPS_APP_(?:PE|ID|DEPTH)$/,
  /^PALS_(?:RANKID|LOCAL_RANKID|LOCAL_SIZE|NODEID|FD|APID|APINFO|SPOOL_DIR|STARTUP_BARRIER)$/,
  /^JSM_NAMESPACE_(?:LOCAL_)?(?:RANK|SIZE)$/,
  /^MP_CHILD$/,
  /^FLUX_(?:TASK_RANK|TASK_LOCAL_ID|JOB_SIZE|JOB_NNODES|PMI_\w+|KVS_NAMESPACE)$/,
  // Slurm: the step, and one process of it. A batch script is process 0.
  /^SLURM_(?:PROCID|LOCALID|NODEID|GTIDS|TASK_PID|STEPID|SRUN_COMM_\w+|LAUNCH_NODE_IPADDR|PMI\w*)$/,
  /^SLURM_STEP_(?!GPUS$|GRES$)/,
] as const;

/**
 * What every name in `patterns` begins with. To try them all on each of the forty variables of a login costs a run of
 * one task 0.7 ms of 25.
 */
const possible = /^(?:OMPI_|ORTE_|PRTE_|PMI|MPI|HYD|I_MPI_|MV|ALPS_|PALS_|JSM_|MP_CHILD|FLUX_|SLURM_)/;

/**
 * In a step of Slurm these tell which processors this process has of it, and srun would take them for orders. In a
 * batch script they are the wishes of the user.
 */
const ofStep = /^SLURM_(?:CPU|MEM)_BIND(?:_\w+)?$/;

/**
 * The value of SLURM_OVERLAP that we give to launchers. Slurm asks only whether the variable is there, so the value
 * tells it from one that a user has set, which tasks do inherit.
 */
export const ownOverlap = "hypershell";

/** An environment without the variables that make a process a rank of a parallel job. */
export function withoutRank(environment: Environment): Environment {
  const inStep = environment["SLURM_STEP_ID"] !== undefined || environment["SLURM_STEPID"] !== undefined;
  const isOfRank = (name: string): boolean =>
    possible.test(name) &&
    (patterns.some((pattern) => pattern.test(name)) ||
      (inStep && ofStep.test(name)) ||
      (name === "SLURM_OVERLAP" && environment[name] === ownOverlap));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isOfRank(name)));
}
