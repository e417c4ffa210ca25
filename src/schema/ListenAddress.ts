/**
 * Where a server listens: `127.0.0.1:2222`, `[::1]:2222`, `:2222`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

const Address = Schema.Struct({
  host: Schema.optionalKey(Schema.NonEmptyString),
  port: Schema.Port
})

/**
 * An address and a port. No `host` means every address of the machine; port 0 means any free port.
 *
 * @since 0.1.0
 * @category models
 */
export type ListenAddress = typeof Address.Type

const bracketed = /^\[([0-9A-Fa-f:.]+(?:%[^\]\s]+)?)\]:(\d{1,5})$/u
const plain = /^([^\s:[\]]*):(\d{1,5})$/u

/**
 * Writes the address the way a configuration does.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = (address: ListenAddress): string => {
  const host = address.host ?? ""
  return host.includes(":") ? `[${host}]:${address.port}` : `${host}:${address.port}`
}

/**
 * Reads `host:port`, `[IPv6]:port` and `:port`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ListenAddress = Schema.String.annotate({ examples: ["127.0.0.1:2222", "[::1]:2222", ":2222"] }).pipe(
  Schema.decodeTo(
    Address,
    SchemaTransformation.transformEffect({
      decode: (text: string) => {
        const [, host = "", digits = ""] = bracketed.exec(text) ?? plain.exec(text) ?? []
        const port = Number(digits)
        return digits === "" || port > 65_535
          ? Effect.fail(
              new SchemaIssue.InvalidValue({
                message: "is not an address to listen on: host:port, [IPv6]:port or :port, with a port up to 65535"
              })
            )
          : Effect.succeed(host === "" ? { port } : { host, port })
      },
      encode: (address: ListenAddress) => Effect.succeed(format(address))
    })
  )
)
