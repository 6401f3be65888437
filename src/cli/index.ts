/**
 * cli: The `eider` command: one file per subcommand, rendering.
 *
 * May know: everything below.
 * Must never know: logic worth a unit test.
 */
export {};
