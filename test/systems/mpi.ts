/*
 * Open MPI on this machine: what its mpirun needs to run as root, and more processes than there are cores. Knows
 * nothing of hs.
 */

export const mpiPrograms = ["mpirun"] as const;

export const mpiEnvironment: Readonly<Record<string, string>> = {
  OMPI_ALLOW_RUN_AS_ROOT: "1",
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  // Version 4, and version 5 (PRRTE).
  OMPI_MCA_rmaps_base_oversubscribe: "1",
  PRTE_MCA_rmaps_default_mapping_policy: ":oversubscribe",
  // No daemons on other hosts, and no way to them.
  OMPI_MCA_plm_rsh_agent: "false",
};
