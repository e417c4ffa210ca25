/**
 * The section `security` of the configuration: what clients may ask for. It has the keys of ContainerSSH's section of
 * that name.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { emptyIsUnset } from "./CanonicalKeys.ts"
import { optional, withDefault } from "./ConfigKey.ts"
import { ForwardingSettings } from "./ForwardingConfig.ts"
import { SignalName } from "./SignalName.ts"

/**
 * How a kind of request is treated: all but what is denied, only what is listed as allowed, or none at all.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PolicyMode = Schema.Literals(["enable", "filter", "disable"]).annotate({ [emptyIsUnset]: true })

/**
 * @since 0.1.0
 * @category models
 */
export type PolicyMode = typeof PolicyMode.Type

const mode = (description: string) => optional(PolicyMode, `${description} Left out: as defaultMode says.`)

const switchOf = (description: string, modeDescription: string) =>
  withDefault(
    Schema.Struct({ mode: mode(`${modeDescription} filter is disable here: there is nothing to list.`) }),
    {},
    description
  )

const names = (description: string) => withDefault(Schema.Array(Schema.String), [], description)

/**
 * The section `security`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SecuritySettings = Schema.Struct({
  defaultMode: optional(
    PolicyMode,
    "Mode of each kind of request that has none of its own: enable (all but what is denied), filter (only what is allowed by name) or disable. Left out: enable."
  ),
  env: withDefault(
    Schema.Struct({
      mode: mode("How requests to set a variable are treated."),
      allow: names("Names of variables that may be set when the mode is filter."),
      deny: names("Names of variables that may not be set when the mode is enable.")
    }),
    {},
    "Which of the variables that ssh.acceptEnv lets through may be set."
  ),
  command: withDefault(
    Schema.Struct({
      mode: mode("How requests to run a command are treated."),
      allow: names("Command lines that may be run when the mode is filter, each exactly as the client sends it.")
    }),
    {},
    "Which commands may be run."
  ),
  shell: switchOf("Whether there are shells.", "How requests for a shell are treated."),
  subsystem: withDefault(
    Schema.Struct({
      mode: mode("How requests for a subsystem are treated."),
      allow: names("Names of subsystems that may be used when the mode is filter."),
      deny: names("Names of subsystems that may not be used when the mode is enable.")
    }),
    {},
    "Which subsystems may be used."
  ),
  tty: switchOf("Whether there are terminals.", "How requests for a terminal are treated."),
  signal: withDefault(
    Schema.Struct({
      mode: mode("How requests to send a signal are treated."),
      allow: withDefault(
        Schema.Array(SignalName),
        [],
        "Signals that may be sent when the mode is filter: TERM, HUP, …"
      ),
      deny: withDefault(Schema.Array(SignalName), [], "Signals that may not be sent when the mode is enable.")
    }),
    {},
    "Which signals may be sent to a program."
  ),
  forwarding: withDefault(
    ForwardingSettings,
    {},
    "What may be forwarded. All of it is off unless its own mode says otherwise; defaultMode has no say here."
  ),
  forceCommand: withDefault(
    Schema.String,
    "",
    "Command line that runs instead of whatever was asked for: shell, command or subsystem. What was asked for is in SSH_ORIGINAL_COMMAND. Empty: none."
  ),
  maxSessions: withDefault(
    Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1, { message: "must be -1 or more" })),
    -1,
    "How many session channels a connection may have open at once. -1: no limit of this section."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type SecuritySettings = typeof SecuritySettings.Type
