# shellcheck shell=bash
# Exim with GnuTLS: one daemon; what differs by address or port is in its configuration's expansions.

write_exim() {
    local exim=198.18.3.25 refuses=198.18.3.26
    mkdir -p "$dir/exim/spool"
    chown -R Debian-exim:Debian-exim "$dir/exim"
    # The daemon of its own user reads the key.
    install -o Debian-exim -m 400 "$dir/pki/imap.key" "$dir/exim/imap.key"
    server $exim 25 smtp "Exim: STARTTLS, several lines of greeting, which tells its version"
    server $exim 587 submission "Exim: STARTTLS, AUTH inside TLS only"
    server $exim 465 smtps "Exim: AUTH inside TLS"
    server $refuses 25 smtp "Exim: offers STARTTLS and refuses it with 454 (no certificate file)"
    cat >"$dir/exim.conf" <<CONF
primary_hostname = exim.example
spool_directory = $dir/exim/spool
log_file_path = $dir/log/exim-%slog
pid_file_path = $dir/exim/pid
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = <; $exim.25 ; $exim.587 ; $exim.465 ; $refuses.25
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = \${if eq{\$received_ip_address}{$refuses}{$dir/pki/absent.crt}{$dir/pki/imap.chain}}
tls_privatekey = $dir/exim/imap.key
smtp_banner = \$smtp_active_hostname ESMTP Exim \$version_number\nno unsolicited mail\nthis greeting has three lines
chunking_advertise_hosts =
helo_allow_chars = [].:
rfc1413_query_timeout = 0s
host_lookup =
acl_smtp_rcpt = deny
keep_environment =

begin acl
deny:
  deny

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = no
  server_advertise_condition = \${if def:tls_in_cipher}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = no
  server_advertise_condition = \${if or{{def:tls_in_cipher}{eq{\$received_port}{25}}}}
CONF
}

serve_exim() {
    exim4 -C "$dir/exim.conf" -bdf &
}
