/**
 * Why the SSH server does not serve.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The server cannot listen, or stopped listening.
 *
 * @since 0.1.0
 * @category errors
 */
export class SshServerError extends Schema.TaggedError<SshServerError>("dockerrun/SshServerError")("SshServerError", {
  /** `host:port`. */
  address: Schema.String,
  /** Such as `EADDRINUSE`. */
  errno: Schema.optionalKey(Schema.String),
  cause: Schema.Defect()
}) {
  readonly code = "DOCKERRUN_SSH_SERVER_FAILED"

  override get message(): string {
    switch (this.errno) {
      case "EADDRINUSE":
        return `cannot listen on ${this.address}: another program listens there already; stop it, or set ssh.listen to another port`
      case "EACCES":
        return `cannot listen on ${this.address}: permission denied; ports below 1024 need privileges, set ssh.listen to a higher one`
      case "EADDRNOTAVAIL":
        return `cannot listen on ${this.address}: this machine has no such address; correct ssh.listen`
      default:
        return `the SSH server at ${this.address} failed${this.errno === undefined ? "" : ` (${this.errno})`}${
          this.cause instanceof Error ? `: ${this.cause.message}` : ""
        }`
    }
  }
}
