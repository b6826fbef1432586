import { expect, test } from "bun:test";
import { withoutRank } from "../../../src/launch/rank.ts";

function left(names: readonly string[], more: Record<string, string> = {}): string[] {
  return Object.keys(withoutRank({ ...Object.fromEntries(names.map((name) => [name, "1"])), ...more }));
}

test("what makes a process a rank goes, whichever launcher set it", () => {
  const names = [
    "OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_LOCAL_SIZE OMPI_UNIVERSE_SIZE OMPI_APP_CTX_NUM_PROCS OMPI_COMMAND",
    "OMPI_FILE_LOCATION OMPI_FIRST_RANKS OMPI_NUM_APP_CTX OMPI_MCA_ess OMPI_MCA_ess_base_vpid OMPI_MCA_pmix",
    "OMPI_MCA_orte_ess_num_procs OMPI_MCA_orte_hnp_uri OMPI_MCA_orte_local_daemon_uri OMPI_MCA_orte_launch",
    "OMPI_MCA_orte_precondition_transports OMPI_MCA_orte_jobfam_session_dir ORTE_SCHIZO_DETECTION PRTE_LAUNCHED",
    "PMIX_RANK PMIX_NAMESPACE PMIX_SERVER_URI41 PMIX_ID PMI_RANK PMI_SIZE PMI_FD PMI_JOBID PMI2_RANK",
    "MPI_LOCALNRANKS MPI_LOCALRANKID HYDI_CONTROL_FD MPIR_CVAR_CH3_INTERFACE_HOSTNAME I_MPI_INFO_NP",
    "MV2_COMM_WORLD_RANK MVP_COMM_WORLD_LOCAL_RANK MPIRUN_RANK MPISPAWN_ID PALS_RANKID PALS_LOCAL_RANKID",
    "ALPS_APP_PE JSM_NAMESPACE_RANK JSM_NAMESPACE_LOCAL_RANK FLUX_TASK_RANK FLUX_TASK_LOCAL_ID",
    "SLURM_PROCID SLURM_LOCALID SLURM_NODEID SLURM_GTIDS SLURM_TASK_PID SLURM_STEPID SLURM_STEP_ID",
    "SLURM_STEP_NODELIST SLURM_STEP_NUM_TASKS SLURM_STEP_LAUNCHER_PORT SLURM_SRUN_COMM_HOST",
    "SLURM_LAUNCH_NODE_IPADDR SLURM_CPU_BIND SLURM_CPU_BIND_LIST SLURM_MEM_BIND",
  ];
  expect(left(names.flatMap((line) => line.split(" ")))).toEqual([]);
});

test("what belongs to the allocation, and what people set, stays", () => {
  const names = [
    "PATH OMP_NUM_THREADS CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES SLURM_JOB_ID SLURM_JOBID SLURM_NTASKS",
    "SLURM_NNODES SLURM_JOB_NODELIST SLURM_TASKS_PER_NODE SLURM_CPUS_PER_TASK SLURM_ARRAY_TASK_ID SLURM_STEP_GPUS",
    "SLURM_OVERLAP SLURMD_NODENAME SLURM_CPU_BIND SLURM_EXPORT_ENV SLURM_CONF FLUX_JOB_ID PBS_NODEFILE",
    "OMPI_MCA_btl OMPI_MCA_orte_tmpdir_base OMPI_MCA_rmaps_base_oversubscribe OMPI_ALLOW_RUN_AS_ROOT OMPI_CC",
    "PRTE_MCA_rmaps_default_mapping_policy PRTE_ALLOW_RUN_AS_ROOT PMIX_MCA_gds PMIXRANK MPICH_CC HYDRA_LAUNCHER",
    "I_MPI_FABRICS I_MPI_PIN_DOMAIN MV2_USE_CUDA MPIEXEC_TIMEOUT HYPERSHELL_EXPORT_RANK",
  ].flatMap((line) => line.split(" "));
  expect(left(names)).toEqual(names);
});
