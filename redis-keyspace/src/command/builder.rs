//! The part that all builders of commands share.

/// Implements `on`, `timeout` and `IntoFuture` for a builder that has a field `call`.
macro_rules! command_builder {
    ($builder:ident<$($parameter:ident),+> => $output:ty $(, where $($bounds:tt)+)?) => {
        impl<$($parameter),+> $builder<$($parameter),+> $(where $($bounds)+)? {
            $crate::client::call_options! { self => self.call;
                /// Sets the deadline of the command. It covers waiting for a connection, connecting
                /// and the reply. The commands of a [batch](crate::Redis::batch) are sent together,
                /// so the shortest of their deadlines applies to all.
            }
        }

        impl<$($parameter),+> IntoFuture for $builder<$($parameter),+> $(where $($bounds)+)? {
            type Output = $crate::Result<$output>;
            type IntoFuture = $crate::command::CommandFuture<$output>;

            fn into_future(self) -> Self::IntoFuture {
                $crate::command::IntoCommand::into_command(self).into_future()
            }
        }
    };
}
pub(super) use command_builder;
