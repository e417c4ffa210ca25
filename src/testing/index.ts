/**
 * `dockerrun/testing`: for those who write a `Docker` layer of their own, or put a server together. What this product
 * needs of an engine, and what a person with an SSH client sees of a server, as cases
 * for any test runner.
 *
 * @since 0.1.0
 */
export { type ConformanceCase, ConformanceError, type ConformanceImages } from "./Conformance.ts"
export { conformanceCases, type ConformanceOptions, describeConformance, type TestRunner } from "./DockerConformance.ts"
export { SshClientError, SshTarget } from "./SshClient.ts"
export {
  describeSshConformance,
  type SshClaim,
  type SshConformanceCase,
  sshConformanceCases,
  type SshConformanceOptions,
  trapCommand
} from "./SshConformance.ts"
