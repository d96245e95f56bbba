-- People may log in at an OpenID provider. An account is tied to one person there, for good: by issuer and subject, which
-- the provider never gives to another. Before the first log-in an administrator may write by which address they will come.
ALTER TABLE account
    ADD COLUMN sign_on_mailbox text,
    ADD COLUMN sign_on_issuer  text,
    ADD COLUMN sign_on_subject text,
    ADD CONSTRAINT account_sign_on CHECK (
        (sign_on_issuer IS NULL) = (sign_on_subject IS NULL)
        AND (sign_on_subject IS NULL OR sign_on_mailbox IS NOT NULL)
    );
CREATE UNIQUE INDEX account_sign_on_subject ON account (sign_on_issuer, sign_on_subject);
CREATE UNIQUE INDEX account_sign_on_mailbox ON account (lower(sign_on_mailbox));
