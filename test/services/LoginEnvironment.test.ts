import { assert, describe, it } from "@effect/vitest"
import { ConnectionId } from "../../src/schema/Identifiers.ts"
import type { Login } from "../../src/services/Login.ts"
import * as LoginEnvironment from "../../src/services/LoginEnvironment.ts"

const client = (login?: Login) => ({
  connectionId: ConnectionId.make("0123456789abcdef"),
  username: "alice",
  address: "::ffff:192.0.2.1",
  ...(login === undefined ? {} : { login })
})

const account = (user: string, env: ReadonlyArray<string> = [], login?: Login) =>
  LoginEnvironment.ofAccount({ user, env }, client(login), ["/bin/bash", "-l"])

describe("the variables of a login", () => {
  it("name the account that the container's programs run as, not the client", () => {
    const root = { USER: "root", LOGNAME: "root", SHELL: "/bin/bash" }
    assert.deepStrictEqual(account(""), root)
    assert.deepStrictEqual(account("0:0"), root)
    assert.deepStrictEqual(account("www:33"), { USER: "www", LOGNAME: "www", SHELL: "/bin/bash" })
  })

  it("leave out what only the container knows", () => {
    assert.deepStrictEqual(account("1000"), { SHELL: "/bin/bash" })
    assert.deepStrictEqual(LoginEnvironment.ofAccount({ user: "1", env: [] }, client(), ["bash"]), {})
  })

  it("leave alone what image and configuration set", () => {
    assert.deepStrictEqual(account("", ["USER=jo", "SHELL=/bin/zsh", "PATH=/bin"]), { LOGNAME: "root" })
  })

  it("are those of the user's own account, with the user's own variables", () => {
    assert.deepStrictEqual(account("", ["USER=jo"], { container: { User: "www", Env: ["A=b=c", "SHELL="] } }), {
      USER: "www",
      LOGNAME: "www",
      SHELL: "",
      A: "b=c"
    })
  })

  it("tell where the connection comes from, and of the terminal, if there is one", () => {
    const login = { port: 40_000, server: { address: "2001:db8::1", port: 22 } }
    assert.deepStrictEqual(LoginEnvironment.ofConnection(client(login), false), {
      SSH_CLIENT: "192.0.2.1 40000 22",
      SSH_CONNECTION: "192.0.2.1 40000 2001:db8::1 22"
    })
    assert.deepStrictEqual(LoginEnvironment.ofConnection(client(), true), { SSH_TTY: "/dev/tty" })
  })
})
