/**
 * Networks as a configuration writes them: `192.0.2.0/24`, `2001:db8::/32`, or one address.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"

/**
 * Reads the address of a client. An IPv4 client of a socket that takes both families has an address such as
 * `::ffff:192.0.2.1`; it is read as the IPv4 address that it is.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseAddress = (text: string): Option.Option<NetAddress.IpAddress> =>
  Option.map(Result.getSuccess(NetAddress.ipFromString(text.replace(/%.*$/u, ""))), (address) =>
    NetAddress.toCanonical(address)
  )

const parse = (text: string): Option.Option<IpNetwork.IpNetwork> =>
  Option.orElse(Result.getSuccess(IpNetwork.fromString(text)), () =>
    Option.map(parseAddress(text), (address) => IpNetwork.fromAddressUnsafe(address, NetAddress.width(address)))
  )

/**
 * A network, or one address.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Network = Schema.String.annotate({ examples: ["192.0.2.0/24", "2001:db8::/32", "192.0.2.7"] }).pipe(
  Schema.decodeTo(
    Schema.declare(IpNetwork.isIpNetwork),
    SchemaTransformation.transformEffect({
      decode: (text: string) =>
        Option.match(parse(text), {
          onNone: () =>
            Effect.fail(
              new SchemaIssue.InvalidValue({ message: "is not a network such as 192.0.2.0/24 or 2001:db8::/32" })
            ),
          onSome: Effect.succeed
        }),
      encode: (network: IpNetwork.IpNetwork) => Effect.succeed(IpNetwork.format(network))
    })
  )
)

/**
 * Whether an address, as {@link parseAddress} reads it, is in one of the networks.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isIn = (networks: ReadonlyArray<IpNetwork.IpNetwork>, address: NetAddress.IpAddress): boolean =>
  networks.some((network) => IpNetwork.contains(network, address))
