"""The subcommands of `scopeline`: one module each."""
