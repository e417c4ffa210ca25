/**
 * `dockerrun/testing`: for those who write a `Docker` layer of their own. What this product needs of an engine, as cases
 * for any test runner.
 *
 * @since 0.1.0
 */
export { type ConformanceCase, ConformanceError, type ConformanceImages } from "./Conformance.ts"
export { conformanceCases, type ConformanceOptions, describeConformance, type TestRunner } from "./DockerConformance.ts"
