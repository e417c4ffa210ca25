/**
 * An app that serves SSH to users of its own: it knows who they are, and what each of them gets.
 *
 * `ACCOUNTS='{"ada":{"tokenHash":"…","plan":"pro"}}' node examples/tenants.ts`, where the hash is SHA-256 in hex.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Config, Context, Effect, Layer, Redacted, Schema } from "effect"
import { Authenticator, type Client, Docker, DockerodeDocker, DockerRun, DockerRunConfig } from "../src/index.ts"
import { FileHostKeys, Logger, Ssh2Server, SshConfig, SshServer } from "../src/index.ts"

const Account = Schema.Struct({ tokenHash: Schema.String, plan: Schema.Literals(["free", "pro"]) })
const Directory = Schema.Record(Schema.String, Account)

/** The app's own users. */
export class Accounts extends Context.Service<
  Accounts,
  { readonly find: (username: string) => Effect.Effect<typeof Account.Type | undefined> }
>()("tenants/Accounts") {
  static readonly layer = (directory: typeof Directory.Type) =>
    Layer.succeed(Accounts, {
      find: (username) => Effect.sync(() => (Object.hasOwn(directory, username) ? directory[username] : undefined))
    })
}

const sha256 = (text: string) => createHash("sha256").update(text).digest()
const nobody = sha256("").toString("hex")

/** A token is the password. Whether a user exists shows neither in the answer nor in the time that it takes. */
export const authenticator = Layer.effect(
  Authenticator,
  Effect.map(Accounts, ({ find }) =>
    Authenticator.of({
      methods: ["password"],
      mayUse: () => Effect.succeed(false),
      authenticate: Effect.fn("tenants.authenticate")(function* (request) {
        if (request._tag !== "Password") return { _tag: "Rejected", reason: "MethodNotOffered" }
        const account = yield* find(request.username)
        const expected = Buffer.from(account?.tokenHash ?? nobody, "hex")
        const isRight = timingSafeEqual(sha256(Redacted.value(request.password)), expected)
        if (account === undefined || !isRight) return { _tag: "Rejected", reason: "WrongPassword" }
        return { _tag: "Accepted", identity: { username: request.username, method: "password" } }
      })
    })
  )
)

const memory = { free: 256 * 1024 ** 2, pro: 2 * 1024 ** 3 }

/** What is common to all comes from the configuration; a user's name and plan decide the rest. */
const settingsFor = Effect.fnUntraced(function* ({ username }: Client) {
  const { find } = yield* Accounts
  const { config, ...engine } = yield* DockerRunConfig
  const account = yield* find(username)
  return DockerRunConfig.of({
    ...engine,
    config: {
      ...config,
      container: { ...config.container, Hostname: username },
      host: { ...config.host, Memory: memory[account?.plan ?? "free"] }
    }
  })
})

/** `DockerRun` once more, on top of itself: each connection has a backend with the settings of its user. */
export const backend = Layer.effect(
  DockerRun,
  Effect.gen(function* () {
    const context = Context.pick(Accounts, Docker, DockerRunConfig, Logger)(yield* Effect.context<AppServices>())
    return DockerRun.of({
      connect: Effect.fn("tenants.connect")(function* (client) {
        const settings = Layer.effect(DockerRunConfig, settingsFor(client))
        // Fresh, because layers are built once and shared, and this one is to be another for everybody. It is built in
        // the connection's Scope, so that it is there until the container is gone.
        const own = yield* Layer.build(Layer.fresh(DockerRun.layer).pipe(Layer.provide(settings)))
        return yield* Context.get(own, DockerRun).connect(client)
      }, Effect.provideContext(context))
    })
  })
)

type AppServices = Accounts | Docker | DockerRunConfig | Logger

/** The whole app, given its accounts, its configuration and an engine. */
export const server = Ssh2Server.layer.pipe(
  Layer.provide([authenticator, backend, FileHostKeys.layer.pipe(Layer.provide(NodeServices.layer))]),
  Layer.provide(Logger.layer)
)

if (import.meta.main) {
  const accounts = Config.schema(Schema.fromJsonString(Directory), "ACCOUNTS")
  const environment = Layer.mergeAll(
    Layer.unwrap(Effect.map(accounts, (directory) => Accounts.layer(directory))),
    DockerodeDocker.layerHost(),
    SshConfig.layer({ listen: "127.0.0.1:2222" }),
    DockerRunConfig.layer({
      config: { container: { Image: "busybox:1" }, host: { NetworkMode: "none" }, shellCommand: ["/bin/sh"] }
    })
  )
  const main = SshServer.use(({ run }) => run).pipe(Effect.provide(server.pipe(Layer.provide(environment))))
  NodeRuntime.runMain(main)
}
