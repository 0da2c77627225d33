//! Every RPC of the descriptors is there, and bad requests are refused in the reference server's words.

mod methods;
mod tokens;
mod validation;
