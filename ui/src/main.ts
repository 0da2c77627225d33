import { mount } from 'svelte'
import App from './App.svelte'
import './app.css'
import { followLinks } from './lib/router.svelte'
import { askServer, choices } from './lib/settings.svelte'

choices.apply()
followLinks()
void askServer()
mount(App, { target: document.getElementById('app')! })
