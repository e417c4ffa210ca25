/**
 * NetworkingConfig: the networks that a container joins when it is created (Engine API 1.41 to 1.47).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { optional } from "./ConfigKey.ts"

/**
 * Fixed addresses of a container in one network.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EndpointIPAMConfig = Schema.Struct({
  IPv4Address: optional(Schema.String, "Fixed IPv4 address: 172.20.30.33"),
  IPv6Address: optional(Schema.String, "Fixed IPv6 address: 2001:db8:abcd::3033"),
  LinkLocalIPs: optional(Schema.Array(Schema.String), "Link-local addresses, IPv4 or IPv6.")
})

/**
 * How a container joins one network. The engine fills in the operational fields itself (`Gateway`, `IPAddress`, …);
 * they are accepted so that the output of `docker inspect` can be pasted.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EndpointSettings = Schema.Struct({
  IPAMConfig: optional(EndpointIPAMConfig, "Fixed addresses in this network."),
  Links: optional(Schema.Array(Schema.String), "Containers to link to: name or name:alias."),
  Aliases: optional(Schema.Array(Schema.String), "Further names of the container in this network."),
  MacAddress: optional(Schema.String, "MAC address in this network (API 1.44 and later)."),
  DriverOpts: optional(Schema.Record(Schema.String, Schema.String), "Options of the network's driver."),
  NetworkID: optional(Schema.String, "Id of the network."),
  EndpointID: optional(Schema.String, "Id of the endpoint. Set by the engine."),
  Gateway: optional(Schema.String, "IPv4 gateway. Set by the engine."),
  IPAddress: optional(Schema.String, "IPv4 address. Set by the engine."),
  IPPrefixLen: optional(Schema.Int, "Mask length of the IPv4 address. Set by the engine."),
  IPv6Gateway: optional(Schema.String, "IPv6 gateway. Set by the engine."),
  GlobalIPv6Address: optional(Schema.String, "Global IPv6 address. Set by the engine."),
  GlobalIPv6PrefixLen: optional(Schema.Int, "Mask length of the global IPv6 address. Set by the engine."),
  DNSNames: optional(Schema.Array(Schema.String), "All DNS names of the endpoint (API 1.44). Set by the engine.")
})

/**
 * The networks that a container joins. Engines before API 1.44 take one at most.
 *
 * @since 0.1.0
 * @category schemas
 */
export const NetworkingConfig = Schema.Struct({
  EndpointsConfig: optional(
    Schema.Record(Schema.String, EndpointSettings),
    "Name of a network → how the container joins it."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type NetworkingConfig = typeof NetworkingConfig.Type
