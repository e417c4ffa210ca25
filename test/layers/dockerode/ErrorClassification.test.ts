import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ErrorClassification from "../../../src/layers/dockerode/ErrorClassification.ts"
import * as PullProgress from "../../../src/layers/dockerode/PullProgress.ts"
import documented from "../../fixtures/engine-answers/documented.json" with { type: "json" }
import podman from "../../fixtures/engine-answers/podman-4.3.json" with { type: "json" }
import recorded from "../../fixtures/engine-answers/docker-20.10.json" with { type: "json" }

const errno = (code: string) => Object.assign(new Error(`connect ${code}`), { code })

describe("ErrorClassification", () => {
  for (const { body, case: name, reason, status } of recorded.answers) {
    it(`recorded: ${name} is ${reason}`, () => {
      const found = ErrorClassification.fromStatus(status, body.message)
      assert.strictEqual(found._tag, reason)
      assert.strictEqual(found.message, body.message)
    })
  }

  for (const { body, case: name, reason, status } of podman.answers) {
    it(`recorded from Podman: ${name} is ${reason}`, () => {
      const found = ErrorClassification.fromStatus(ErrorClassification.statusOf(status, body.cause), body.message)
      assert.strictEqual(found._tag, reason)
      assert.strictEqual(found.message, body.message)
    })
  }

  it("a full disk is told by the kernel's words, whatever failed because of it", () => {
    const words = "mkdir /var/lib/docker/overlay2/0a1b-init: no space left on device"
    const found = [
      ErrorClassification.fromStatus(500, words),
      ErrorClassification.fromStart(500, `OCI runtime create failed: ${words}: unknown`),
      ErrorClassification.fromPull(undefined, `failed to register layer: write /bin/x: ${words}`),
      ErrorClassification.notStarted(`OCI runtime exec failed: exec failed: ${words}: unknown`)
    ]
    for (const { _tag } of found) assert.strictEqual(_tag, "NoSpace")
    assert.strictEqual(ErrorClassification.fromStatus(404, words)._tag, "NotFound")
  })

  it("a cause decides nothing where there is a status that says something", () => {
    assert.strictEqual(ErrorClassification.statusOf(404, "container state improper"), 404)
    assert.strictEqual(ErrorClassification.statusOf(500, undefined), 500)
  })

  for (const start of [...recorded.starts, ...documented.starts, ...podman.starts]) {
    it(`start: ${start.case} is ${start.reason}`, () => {
      const cause = "cause" in start.body && typeof start.body.cause === "string" ? start.body.cause : undefined
      const status = ErrorClassification.statusOf(start.status, cause)
      const found = ErrorClassification.fromStart(status, start.body.message)
      assert.strictEqual(found._tag, start.reason)
      const exitCode = "exitCode" in start ? start.exitCode : undefined
      assert.strictEqual(found._tag === "ProgramNotStarted" ? found.exitCode : undefined, exitCode)
    })
  }

  for (const pull of [...recorded.pulls, ...documented.pulls, ...podman.pulls]) {
    it.effect(`pull: ${pull.case} is ${pull.reason}`, () =>
      Effect.gen(function* () {
        const { body } = pull
        const found =
          "message" in body
            ? ErrorClassification.fromPull("status" in pull ? pull.status : undefined, body.message)
            : (yield* Effect.flip(PullProgress.fromLine("pull image", JSON.stringify(body)))).reason
        assert.strictEqual(found._tag, pull.reason)
      })
    )
  }

  for (const { case: name, exitCode, text } of recorded.writtenToStandardOutput) {
    it(`recorded: the engine writes that it did not start ${name}: ${exitCode}`, () => {
      assert.isTrue(ErrorClassification.notStartedPrefixes.some((prefix) => text.startsWith(prefix)))
      const reason = ErrorClassification.programNotStarted(text)
      assert.strictEqual(reason.exitCode, exitCode)
      assert.strictEqual(reason.message, text.trim())
    })
  }

  for (const { case: name, exitCode, text } of podman.writtenToStandardError) {
    it(`recorded: Podman writes that it did not start ${name}: ${exitCode}`, () => {
      assert.isTrue(ErrorClassification.mayBePodmans(text))
      const reason = ErrorClassification.notStarted(text + podman.writtenAfterThat)
      assert.strictEqual(reason._tag === "ProgramNotStarted" ? reason.exitCode : undefined, exitCode)
      assert.strictEqual(reason.message, text.trim())
    })
  }

  it("a container that ended in the moment of the start is at fault, not the program", () => {
    for (const words of [
      "OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown\r\n",
      "OCI runtime exec failed: exec failed: cannot exec a container that has stopped: unknown\r\n",
      "OCI runtime exec failed: exec failed: unable to start container process: read init-p: connection reset by peer: unknown\r\n",
      "cannot exec in a stopped state: unknown\r\n",
      "task 5f75ce299e41b9566bc1a3a62f13528f8dac37a7f8bc295832c983827d04184b not found: not found\r\n"
    ]) {
      const reason = ErrorClassification.notStarted(words)
      assert.deepInclude(reason, { _tag: "Conflict", message: words.trim() })
      assert.isTrue(ErrorClassification.notStartedPrefixes.some((prefix) => words.startsWith(prefix)))
    }
    for (const { text } of recorded.writtenToStandardOutput) {
      assert.strictEqual(ErrorClassification.notStarted(text)._tag, "ProgramNotStarted")
    }
  })

  it("401 and 403 are Unauthorized, 5xx are transient, an answer below 400 is none", () => {
    assert.strictEqual(ErrorClassification.fromStatus(401, "no")._tag, "Unauthorized")
    assert.strictEqual(ErrorClassification.fromStatus(403, "no")._tag, "Unauthorized")
    assert.strictEqual(ErrorClassification.fromStatus(503, "busy")._tag, "ServerError")
    assert.strictEqual(ErrorClassification.fromStatus(302, "elsewhere")._tag, "UnexpectedAnswer")
  })

  it("says in words what an errno means, and keeps the errno", () => {
    const address = "unix:///var/run/docker.sock"
    for (const [code, words] of [
      ["EACCES", "permission denied at unix:///var/run/docker.sock; is the user in the docker group?"],
      ["ENOENT", "there is no socket"],
      ["ECONNREFUSED", "nobody listens"],
      ["ENOTFOUND", "cannot be resolved"],
      ["EHOSTUNREACH", "no route"],
      ["ETIMEDOUT", "does not answer in time"],
      ["ECONNRESET", "broke"],
      ["EPIPE", "broke"]
    ] as const) {
      const reason = ErrorClassification.fromBrokenConnection(errno(code), address)
      assert.strictEqual(reason._tag, "Unreachable")
      assert.strictEqual(reason._tag === "Unreachable" ? reason.errno : "", code)
      assert.include(reason.message, words)
    }
  })

  it("whoever does not speak HTTP is not an engine", () => {
    const reason = ErrorClassification.fromBrokenConnection(errno("HPE_INVALID_CONSTANT"), "tcp://engine:22")
    assert.strictEqual(reason._tag, "UnexpectedAnswer")
  })
})
