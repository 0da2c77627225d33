mod messages;
mod requests;
